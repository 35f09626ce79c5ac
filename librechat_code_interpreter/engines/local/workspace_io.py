"""Access to a sandbox's workspace from outside, which never follows a link that a program left there.

With full isolation the workspace is a tmpfs that no host path leads to. The zygote passes a descriptor of its root.
Every path is resolved below it by ``openat2``, with no symlink on the way. All of this runs in threads whose file
system uid is the sandbox's. So new files belong to the program, and the threads have only the sandbox's rights.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import secrets
import stat
import struct
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.protocols import Staged

T = TypeVar("T")

_OPENAT2: Final = 437
_RESOLVE: Final = 0x08 | 0x04 | 0x02  # RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
_CHUNK: Final = 1 << 20
_SMALL: Final = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def open_below(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path below a directory descriptor. Raises ``OSError``, also for symlinks and ``..`` that leads out."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE)
    descriptor: int = _libc.syscall(_OPENAT2, directory, os.fsencode(path), how, len(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


class WorkspaceIO:
    """Thread pool that reads and writes workspaces."""

    def __init__(self, uid: int, gid: int) -> None:
        self._executor = ThreadPoolExecutor(4, "workspace", initializer=_take_identity, initargs=(uid, gid))

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in one of the threads, to its end.

        A cancelled call waits for it, too, because the caller may close a descriptor that the function uses.
        """
        return await finish(asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments))

    async def _open(self, function: Callable[[int, str], int], root: int, path: str) -> int:
        """Run a function that opens a descriptor. If the caller is cancelled, close the descriptor."""
        opened: list[int] = []
        try:
            await self.call(lambda: opened.append(function(root, path)))
        except asyncio.CancelledError:
            for descriptor in opened:
                os.close(descriptor)
            raise
        return opened[0]

    def close(self) -> None:
        """Stop the threads, without waiting for them."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def put(self, root: int, staged: Staged) -> None:
        """Write one file, replacing a file (never a directory) at its path.

        On failure nothing of it stays. Raises ``OSError``, and whatever the source of the bytes raises.
        """
        if staged.size <= _SMALL:
            data = b"".join([chunk async for chunk in staged.read()])
            await self.call(_write_whole, root, staged.path, data)
            return
        descriptor = await self._open(_create, root, staged.path)
        try:
            async for chunk in staged.read():
                await self.call(_write_all, descriptor, chunk)
        except BaseException:
            await self.call(_remove, root, staged.path)
            raise
        finally:
            os.close(descriptor)

    async def get(self, root: int, path: str) -> AsyncIterator[bytes]:
        """Read one regular file in chunks. Raises ``OSError``."""
        descriptor = await self._open(_open_regular, root, path)
        try:
            while chunk := await self.call(os.read, descriptor, _CHUNK):
                yield chunk
        finally:
            os.close(descriptor)


def _take_identity(uid: int, gid: int) -> None:
    """Set the sandbox's file system identity for this thread alone. Only root can do it, and only root needs it."""
    if os.geteuid() == 0:
        _libc.setfsgid(gid)
        _libc.setfsuid(uid)


def _write_whole(root: int, path: str, data: bytes) -> None:
    descriptor = _create(root, path)
    try:
        _write_all(descriptor, data)
    except OSError:
        _remove(root, path)
        raise
    finally:
        os.close(descriptor)


def _remove(root: int, path: str) -> None:
    """Remove a file that was not completely written."""
    parent, _, name = path.rpartition("/")
    try:
        directory = open_below(root, parent or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # its directory is gone, and so is the file
    try:
        _clear(directory, name)
    finally:
        os.close(directory)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _create(root: int, path: str) -> int:
    parent, _, name = path.rpartition("/")
    directory = _make_directories(root, parent)
    try:
        _clear(directory, name)
        return open_below(directory, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    finally:
        os.close(directory)


def _make_directories(root: int, path: str) -> int:
    """Open a directory, creating it and its parents if missing. A file or link in the way is removed."""
    directory = os.dup(root)
    for name in filter(None, path.split("/")):
        above = directory
        try:
            directory = _enter(above, name)
        finally:
            os.close(above)
    return directory


def _enter(above: int, name: str) -> int:
    try:
        return open_below(above, name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            os.unlink(name, dir_fd=above)
        elif error.errno != errno.ENOENT:
            raise
    os.mkdir(name, 0o755, dir_fd=above)
    return open_below(above, name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _clear(directory: int, name: str) -> None:
    """Remove a file of that name. A directory is renamed to a hidden one instead, which no scan reads."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        os.rename(name, f".replaced-{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=directory)


def _open_regular(root: int, path: str) -> int:
    descriptor = open_below(root, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor
