"""`python workflow/musecl STAGE CITY`: runs the package that this file lies in.

Python puts the folder of this file first on its path; the package lies one above. A copy of the
pipeline thereby runs its own code, whatever else is installed.

`python` is what PATH says: plain DVC, started by its path, may find any other. So this file is
written for an old one to read, too.
"""

import sys

GO_ON = (
    "; `source .venv/bin/activate`, which `make environment` makes, and run the same command again"
)
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("musecl: " + sys.executable + " is older than Python 3.11" + GO_ON)

from pathlib import Path  # noqa: E402

sys.path[0] = str(Path(__file__).resolve().parents[1])

from musecl.runtime.lifetime import end_interrupted, end_with_parent  # noqa: E402

# Before the other libraries are imported, for that takes longer than many an engine has to live.
end_with_parent()

if __name__ == "__main__":
    try:
        from musecl.cli import main

        main()
    except ModuleNotFoundError as error:
        if (error.name or "musecl").partition(".")[0] == "musecl":
            raise
        sys.exit("musecl: " + sys.executable + " lacks " + str(error.name) + GO_ON)
    except KeyboardInterrupt:  # as the libraries were imported
        end_interrupted()
