"""`python workflow/musecl STAGE CITY`: runs the package that this file lies in.

Python puts the folder of this file first on its path; the package lies one above. A copy of the
pipeline thereby runs its own code, whatever else is installed.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from musecl.step.lifetime import end_with_parent  # noqa: E402

# Before the other libraries are imported, for that takes longer than many an engine has to live.
end_with_parent()

from musecl.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
