"""A stage's log and timing, `logs/nyc/fuse.log` and `.tsv`: those of the run that built it stay.

Snakemake removes the log before every job and writes the timing after it, also of a job that only
restores what was built before. They stay as `fuse.built.log` and `fuse.built.tsv`.
"""

from contextlib import suppress
from pathlib import Path
from types import TracebackType


class Logs:
    """What a job of a stage leaves of its log and of earlier timings; a context around the job.

    Parameters
    ----------
    place : Path
        Of both files, without their ending.

    Attributes
    ----------
    computed : bool
        Whether the stage's step began, so that this job restores nothing.
    """

    def __init__(self, place: Path) -> None:
        self.computed = False
        self._place = place

    def begin(self) -> None:
        """Take note that the step begins."""
        self.computed = True

    def __enter__(self) -> "Logs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is not None or not self._place.parent.exists():  # or no rule started the job
            return
        last, built = (self._place.with_suffix(end) for end in (".tsv", ".built.tsv"))
        if self.computed:
            log, kept = (self._place.with_suffix(end) for end in (".log", ".built.log"))
            for file in (last, built, kept):
                file.unlink(missing_ok=True)
            with suppress(OSError):  # not every disk has hard links
                kept.hardlink_to(log)  # it is still being written
        elif not built.exists():
            # Built elsewhere, maybe: an empty one says that nobody here knows what it took.
            last.replace(built) if last.exists() else built.touch()
