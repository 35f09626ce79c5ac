"""Staging and reading of workspace files, without following anything that a program left there.

For engines that reach a workspace only through programs in it. Each path is opened from the workspace's root, one
directory after another, without symlinks.
"""

from __future__ import annotations

import base64
import errno
import os
import secrets
import shutil
import stat
from dataclasses import dataclass, field

from librechat_code_interpreter.runner.messages import Message

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    directory, name = _parent(root, parcel.path, make=True)
    try:
        _move_aside(directory, name)
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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o644, dir_fd=directory), "wb") as target:
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


def _move_aside(directory: int, name: str) -> None:
    """Rename a directory at a file's path to a hidden name, which no scan reads: a conflict fails no run (K15)."""
    try:
        seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(seen.st_mode):
        os.rename(name, f".replaced-{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=directory)


def _parent(root: str, path: str, *, make: bool) -> tuple[int, str]:
    """Open the parent directory of a path below the root. Raises ``OSError``, also for a path that escapes."""
    *parents, name = path.split("/")
    if not name or any(part in ("", ".", "..") for part in (*parents, name)):
        raise OSError(errno.EINVAL, "no path in the workspace")
    directory = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    for part in parents:
        above = directory
        try:
            directory = _enter(above, part) if make else os.open(part, _DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    return directory, name


def _enter(above: int, name: str) -> int:
    """Open a directory, creating it if needed; a file or link at its path is removed."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        pass
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=above)
        return os.open(name, _DIRECTORY, dir_fd=above)
    except OSError:
        os.unlink(name, dir_fd=above)
    os.mkdir(name, 0o755, dir_fd=above)
    return os.open(name, _DIRECTORY, dir_fd=above)


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
        directory, name = _parent(root, path, make=False)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=directory)
        finally:
            os.close(directory)
        with open(descriptor, "rb") as stream:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode):
                return Look(error="not a regular file")
            content = base64.b64encode(stream.read()).decode("ascii") if seen.st_size <= most_bytes else None
            return Look(seen.st_size, content)
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
