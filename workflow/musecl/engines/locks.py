"""DVC's file of locks, whole at any moment: DVC writes it over, and a kill in between cuts it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from dvc import rwlock


@contextmanager
def locks_renamed_into_place() -> Iterator[None]:
    """Have this process write `.dvc/tmp/rwlock` beside and rename it; a lock of DVC guards both."""
    edit = rwlock._edit_rwlock

    def edit_beside(folder: str, fs: Any, hardlink: bool) -> AbstractContextManager[Any]:
        edited: AbstractContextManager[Any] = edit(folder, _Beside(fs), hardlink)
        return edited

    rwlock._edit_rwlock = edit_beside
    try:
        yield
    finally:
        rwlock._edit_rwlock = edit


class _Beside:
    """The part of a file system of DVC's that it edits its locks by."""

    def __init__(self, fs: Any) -> None:
        self.fs = fs
        self.join = fs.join

    @contextmanager
    def open(self, path: str, mode: str = "r", **options: Any) -> Iterator[Any]:
        written = f"{path}.partial" if mode == "w" else path
        with self.fs.open(written, mode, **options) as file:
            yield file
        if written != path:
            Path(written).replace(path)
