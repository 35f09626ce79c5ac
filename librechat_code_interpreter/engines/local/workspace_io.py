"""Access to a sandbox's workspace from outside, which never follows a link that a program left there.

With full isolation the workspace is a tmpfs that no host path leads to. The zygote passes a descriptor of its root.
Every path is opened below it by ``runner.safe_files``. All of this runs in threads whose file system uid is the
sandbox's. So new files belong to the program, and the threads have only the sandbox's rights.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.protocols import Staged
from librechat_code_interpreter.runner.safe_files import create_file, hide_directory, open_parent, open_regular

T = TypeVar("T")

_CHUNK: Final = 1 << 20
_SMALL: Final = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


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
        descriptor = await self._open(open_regular, root, path)
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
    try:
        directory, name = open_parent(root, path)
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
    directory, name = open_parent(root, path, create=True)
    try:
        _clear(directory, name)
        return create_file(directory, name)
    finally:
        os.close(directory)


def _clear(directory: int, name: str) -> None:
    """Remove a file of that name; a directory gets a hidden name instead."""
    hide_directory(directory, name)
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
