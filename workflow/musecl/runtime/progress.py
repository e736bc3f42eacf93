"""How far work is: a bar in a terminal, a line now and then in a log.

A bar redraws its line by a carriage return; in a log that is one line without end.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Generic, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# Of a log, between two lines; of a terminal, between two drawings.
SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_DRAWINGS = 5.0


class Lines(Generic[Item]):
    """What `tqdm` offers, as plain lines: one about every 30 seconds, and one at the end.

    Parameters
    ----------
    items : iterable
        Passed on, each of them counted when the next is asked for.
    description : str
        Begins every line.
    total : int, optional
        How many there will be.
    done : int
        How many there were before.
    """

    def __init__(
        self, items: Iterable[Item], description: str, total: int | None, done: int
    ) -> None:
        self.items = items
        self.description = description
        self.total = total
        self.done = self.before = done
        self.start = self.last = time.monotonic()

    def __iter__(self) -> Iterator[Item]:
        """Pass the items on."""
        with self:
            for item in self.items:
                yield item
                self.update()

    def __enter__(self) -> "Lines[Item]":
        """Count until the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the last line, of what was done until an error too."""
        self._write(time.monotonic())

    def update(self, count: int = 1) -> None:
        """Count what was done since, and write a line if the last one is long ago."""
        self.done += count
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES and self.done != self.total:
            self.last = now
            self._write(now)

    def _write(self, now: float) -> None:
        seconds, made = now - self.start, self.done - self.before
        text = f"{self.description}: {self.done}"
        if self.total:
            text += f" of {self.total} ({100 * self.done // self.total}%)"
        text += f" after {seconds:.0f} s"
        if self.total and made > 0 and self.done < self.total:
            text += f", about {seconds / made * (self.total - self.done):.0f} s left"
        print(text, file=sys.stderr, flush=True)


def progress(
    description: str,
    items: Iterable[Item] | None = None,
    total: int | None = None,
    done: int = 0,
) -> Any:
    """Show how far work is.

    Parameters
    ----------
    description : str
        What is worked on.
    items : iterable, optional
        To be worked on; without them, the caller counts by `update` in a `with` block.
    total : int, optional
        How many there are; of a sequence it is known.
    done : int
        How many an earlier run did.

    Returns
    -------
    tqdm or Lines
        Yields the items; has `update`.
    """
    if sys.stderr.isatty():
        return tqdm(
            items,
            description,
            total,
            initial=done,
            mininterval=SECONDS_BETWEEN_DRAWINGS,
            dynamic_ncols=True,
        )
    if total is None and isinstance(items, Sized):
        total = len(items)
    return Lines(() if items is None else items, description, total, done)
