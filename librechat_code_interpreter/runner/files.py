"""Staging and reading of workspace files, without following anything that a program left there.

For engines that reach a workspace only through programs in it.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from librechat_code_interpreter.runner.messages import Message
from librechat_code_interpreter.runner.safe_files import create_file, hide_directory, open_parent, open_regular

_MOST_ENTRIES = 500
_CHUNK = 1 << 20


@dataclass(slots=True)
class Parcel(Message):
    """One file to stage: its bytes (base64), or ``source``, a path outside the workspace that already has them."""

    path: str
    content: str | None = None
    source: str | None = None


@dataclass(slots=True)
class Look(Message):
    """One file as read: its size, and its bytes (base64) if it is small; or why it cannot be read."""

    size: int = 0
    content: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Layout(Message):
    """Content of a workspace; ``is_plain`` if it has few entries, all ordinary files and directories of the program.

    Then an ordinary write is safe, if its path is no directory and its parents are no files.
    """

    is_plain: bool = True
    files: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)


def place(root: str, parcels: list[Parcel]) -> dict[str, str]:
    """Write files to their paths; return the reason for each path that could not be written."""
    refused: dict[str, str] = {}
    open_up(root)
    for parcel in parcels:
        try:
            _place(root, parcel)
        except OSError as error:
            refused[parcel.path] = error.strerror or str(error)
        finally:
            if parcel.source is not None:
                _forget(parcel.source)
    return refused


def _place(root: str, parcel: Parcel) -> None:
    """Write a file under a temporary name, then rename it: its path never contains a partial file."""
    with _opened(root) as descriptor:
        directory, name = open_parent(descriptor, parcel.path, create=True)
    try:
        hide_directory(directory, name)
        fresh = f".{os.getpid()}.part"
        try:
            _write(directory, fresh, parcel)
            os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            _forget(fresh, directory)
            raise
    finally:
        os.close(directory)


def _write(directory: int, name: str, parcel: Parcel) -> None:
    with os.fdopen(create_file(directory, name), "wb") as target:
        if parcel.source is None:
            target.write(base64.b64decode(parcel.content or ""))
            return
        with open(parcel.source, "rb") as source:
            shutil.copyfileobj(source, target, _CHUNK)


def _forget(name: str, directory: int | None = None) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:  # it was never created
        return


@contextmanager
def _opened(root: str) -> Iterator[int]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_up(root: str) -> None:
    """Restore the rights to the workspace's root that a program removed."""
    try:
        if os.stat(root).st_mode & 0o700 != 0o700:
            os.chmod(root, 0o755)  # noqa: S103  the original mode: the sandbox has no other user
    except OSError:  # not permitted; the next step reports the error
        return


def look(root: str, path: str, most_bytes: int) -> Look:
    """Read one regular file, or only its size if it is larger than ``most_bytes``."""
    try:
        with _opened(root) as descriptor, open(open_regular(descriptor, path), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = base64.b64encode(stream.read()).decode("ascii") if size <= most_bytes else None
            return Look(size, content)
    except OSError as error:
        return Look(error=error.strerror or str(error))


def layout(root: str) -> Layout:
    """Scan the workspace; if it is not plain, or larger than ``_MOST_ENTRIES``, no entries are returned."""
    found = Layout()
    pending = [""]
    try:
        if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            return Layout(is_plain=False)
        while pending:
            prefix = pending.pop()
            with os.scandir(os.path.join(root, prefix)) as entries:
                for entry in entries:
                    _note(prefix + entry.name, entry.stat(follow_symlinks=False), pending, found)
            if not found.is_plain:
                return Layout(is_plain=False)
    except OSError:
        return Layout(is_plain=False)
    return found


def _note(path: str, seen: os.stat_result, pending: list[str], found: Layout) -> None:
    if stat.S_ISDIR(seen.st_mode):
        found.directories.append(path)
        pending.append(path + "/")
        is_ordinary = _is_ours(seen, 0o700)
    else:
        found.files.append(path)
        is_ordinary = stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1 and _is_ours(seen, 0o600)
    is_few = len(found.files) + len(found.directories) <= _MOST_ENTRIES
    found.is_plain = found.is_plain and is_ordinary and is_few and path.isprintable()


def _is_ours(seen: os.stat_result, rights: int) -> bool:
    return seen.st_uid == os.geteuid() and seen.st_mode & rights == rights
