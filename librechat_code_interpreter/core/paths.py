"""Validation and normalisation of file names (K11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from librechat_code_interpreter.runner.workspace_diff import MAX_PATH_BYTES, MAX_SEGMENT_BYTES, unfit_name

ROOTS = ("/mnt/data/", "/workspace/")


def clean(name: str) -> str | None:
    """Return the name relative to the workspace, or ``None`` if it is not valid.

    An absolute name inside the workspace and ``.`` segments are accepted; a name that leaves the workspace is not.
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
    """A set of file paths that finds conflicts with a new path without comparing each one.

    Two paths conflict if they are equal, or if one is a directory of the other.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._files: set[str] = set()
        self._below: dict[str, set[str]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: str) -> None:
        """Add a file."""
        self._files.add(path)
        for directory in _directories(path):
            self._below.setdefault(directory, set()).add(path)

    def remove(self, path: str) -> None:
        """Remove a file that was added."""
        self._files.remove(path)
        for directory in _directories(path):
            self._below[directory].remove(path)

    def in_the_way_of(self, path: str) -> list[str]:
        """Return the files that conflict with a path, the path itself included."""
        above = [name for name in (path, *_directories(path)) if name in self._files]
        return above + sorted(self._below.get(path, ()))


def _directories(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


__all__ = ["MAX_PATH_BYTES", "MAX_SEGMENT_BYTES", "Occupied", "clean"]
