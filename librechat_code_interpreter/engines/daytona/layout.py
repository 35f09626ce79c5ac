"""Known layout of a workspace: decides whether a file can be uploaded directly to its path."""

from __future__ import annotations

from collections.abc import Iterator

from librechat_code_interpreter.runner.files import Layout


class Known:
    """Layout reported by the last run, plus the files uploaded since."""

    def __init__(self, layout: Layout) -> None:
        self._files = set(layout.files)
        self._directories = set(layout.directories)

    def is_free(self, path: str) -> bool:
        """Return whether an ordinary write to a path creates or replaces an ordinary file."""
        return path not in self._directories and not any(parent in self._files for parent in _parents(path))

    def add(self, path: str) -> None:
        """Add a file that now exists."""
        self._files.add(path)
        self._directories.update(_parents(path))


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
