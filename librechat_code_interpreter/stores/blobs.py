"""Protocol of the storage below the session store: bytes under keys, with atomic writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from obstore.exceptions import BaseError

if TYPE_CHECKING:  # known to type checkers only
    from obstore import PutMode

STORE_ERRORS = (BaseError, OSError)
"""What every method raises if the storage fails. ``FileNotFoundError``, one of them, means that the key is absent."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A small object that was read at once."""

    body: bytes
    modified: datetime
    version: PutMode
    """The condition of ``put`` that this version is still the latest; ``overwrite`` where only one process writes."""


class Blobs(Protocol):
    """Bytes under keys. No reader sees a partly written object, and a failed or cancelled write leaves none."""

    async def get(self, key: str) -> Blob:
        """Read a small object."""
        ...

    async def put(self, key: str, body: bytes, condition: PutMode = "overwrite") -> bool:
        """Write a small object; return whether the condition was met.

        Raises ``NotImplementedError`` if conditional writes are disabled.
        """
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read the bytes from ``start`` to before ``end`` in chunks; the reader may take any time."""
        ...

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Write an object of any size. Raises the errors of ``chunks``, too."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, in this order; an absent one is no error."""
        ...

    def list(self, directory: str) -> AsyncIterator[Sequence[tuple[str, datetime]]]:
        """Return the key and the time of the last write of each object below a directory, in pages."""
        ...

    async def list_directories(self, directory: str) -> Sequence[str]:
        """Return the directories that are immediately in a directory."""
        ...

    async def remove_unfinished(self, time: float) -> int:
        """Remove what killed writers left before ``time`` (seconds since the epoch); return the number of objects."""
        ...
