"""Check and clean the names of files (K11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.runner.workspace_diff import MAX_PATH_BYTES, MAX_SEGMENT_BYTES, unfit_name

ROOTS = ("/mnt/data/", "/workspace/")


def clean(name: str) -> str | None:
    """Give the name relative to the workspace, or ``None`` when it cannot be one.

    An absolute name inside the workspace and ``.`` segments are understood; one that escapes is not.
    """
    for root in ROOTS:
        if name.startswith(root):
            name = name[len(root) :]
    segments = [segment for segment in name.split("/") if segment not in ("", ".")]
    path = "/".join(segments)
    if not segments or name.startswith("/") or ".." in segments or unfit_name(path):
        return None
    if any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        return None
    return path


class Occupied:
    """Know which of many paths a new one cannot stand beside, without a look at each of them.

    Two paths cannot both be files if they are equal, or one is a directory of the other.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._files: set[str] = set()
        self._below: dict[str, set[str]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: str) -> None:
        """Let a file be there."""
        self._files.add(path)
        for directory in _directories(path):
            self._below.setdefault(directory, set()).add(path)

    def remove(self, path: str) -> None:
        """Let a file be gone that was there."""
        self._files.remove(path)
        for directory in _directories(path):
            self._below[directory].remove(path)

    def in_the_way_of(self, path: str) -> list[str]:
        """Give the files that would have to go, the path itself included."""
        above = [name for name in (path, *_directories(path)) if name in self._files]
        return above + sorted(self._below.get(path, ()))


def _directories(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


__all__ = ["MAX_PATH_BYTES", "MAX_SEGMENT_BYTES", "Occupied", "clean"]
