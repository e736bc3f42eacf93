"""Waiting for a server that is busy: longer each time, as long as it wishes, up to a deadline."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep

from musecl.runtime.errors import InputError

# What a server answers that may answer otherwise in a while.
BUSY = (429, 500, 502, 503, 504)


class Patience:
    """How long a server may keep somebody waiting.

    Parameters
    ----------
    seconds : float
        Until the deadline.
    pause : float
        Seconds before it is asked again, doubled each time; its own wish is more.
    advice : str
        What to do when the deadline is reached.

    Attributes
    ----------
    failed : int
        How often it was waited for since it last was of use.
    """

    def __init__(self, seconds: float, pause: float, advice: str) -> None:
        self.seconds, self.first, self.advice, self.furthest = seconds, pause, advice, -1
        self.renew(0)

    def renew(self, progress: int) -> None:
        """Begin anew where the server has brought more than ever before, such as bytes."""
        if progress > self.furthest:
            self.furthest = progress
            self.until, self.pause, self.failed = monotonic() + self.seconds, self.first, 0

    def allows(self, seconds: float) -> bool:
        """Whether so many seconds more end before the deadline."""
        return monotonic() + seconds <= self.until

    def wait(self, why: str, wish: float = 0.0) -> None:
        """Wait, and say so.

        Parameters
        ----------
        why : str
            What the server did.
        wish : float
            Seconds after which it wishes to be asked again.

        Raises
        ------
        InputError
            That would be beyond the deadline.
        """
        seconds = max(self.pause, wish)
        if not self.allows(seconds):
            raise InputError(f"{why} for too long; {self.advice}")
        print(f"{why}; asking again in {seconds:.0f} s", flush=True)
        sleep(seconds)
        self.pause *= 2
        self.failed += 1


def wish_of(retry_after: str) -> float:
    """Read a header `Retry-After`: in how many seconds; 0 where it is no number and no date."""
    text = retry_after.strip()
    if text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    now = datetime.now(UTC)
    return max((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - now.timestamp(), 0)
