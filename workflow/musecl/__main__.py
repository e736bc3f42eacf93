"""`python workflow/musecl STAGE CITY`: runs the package that this file lies in.

Python puts the folder of this file first on its path; the package lies one above. A copy of the
pipeline thereby runs its own code, whatever else is installed.
"""

import ctypes
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1

# Linux ends this process with the one that started it, so that no orphan writes on: asked before
# the libraries are imported, for that takes longer than many an engine has to live.
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

sys.path[0] = str(Path(__file__).resolve().parents[1])

from musecl.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
