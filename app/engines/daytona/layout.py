"""Know what lies in a workspace, so that a file can be uploaded straight to its place when nothing can go wrong."""

from __future__ import annotations

from collections.abc import Iterator

from app.runner.files import Layout


class Known:
    """Remember the layout that the last run told, and what was uploaded since."""

    def __init__(self, layout: Layout) -> None:
        self._files = set(layout.files)
        self._directories = set(layout.directories)

    def is_free(self, path: str) -> bool:
        """Tell whether an ordinary write to a path makes or replaces an ordinary file."""
        return path not in self._directories and not any(parent in self._files for parent in _parents(path))

    def add(self, path: str) -> None:
        """Note a file that is there now."""
        self._files.add(path)
        self._directories.update(_parents(path))


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
