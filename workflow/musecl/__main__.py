"""`python workflow/musecl STAGE CITY`: runs the package that this file lies in.

Python puts the folder of this file first on its path; the package lies one above. A copy of the
pipeline thereby runs its own code, whatever else is installed.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from musecl.runtime.lifetime import end_with_parent  # noqa: E402

# Before the other libraries are imported, for that takes longer than many an engine has to live.
end_with_parent()

if __name__ == "__main__":
    try:
        from musecl.cli import main

        main()
    except ModuleNotFoundError as error:
        if (error.name or "musecl").partition(".")[0] == "musecl":
            raise
        sys.exit(
            f"musecl: {sys.executable} lacks {error.name}; `source .venv/bin/activate`, which "
            "`make environment` makes, and run the same command again"
        )
