"""Access to paths below a directory descriptor that follows no symlink, whatever a program left there.

Directories are opened one after another, each relative to the descriptor of the one before. No system call that a
sandbox may lack is needed. Everything raises ``OSError``, also for a path that is absolute or contains ``..``.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_parent(root: int, path: str, *, create: bool = False) -> tuple[int, str]:
    """Open the parent directory of a path below the root; return its descriptor and the last name of the path.

    With ``create``, missing directories are created, and what is in their way is removed.
    """
    *parents, name = path.split("/")
    if not name or any(part in ("", ".", "..") for part in (*parents, name)):
        raise OSError(errno.EINVAL, "no path in the workspace")
    directory = os.dup(root)
    for part in parents:
        above = directory
        try:
            directory = _enter(above, part) if create else os.open(part, _DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    return directory, name


def open_regular(root: int, path: str) -> int:
    """Open a regular file for reading, without waiting for the other end of a pipe."""
    directory, name = open_parent(root, path)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def create_file(directory: int, name: str) -> int:
    """Create a file and open it for writing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o644, dir_fd=directory)


def hide_directory(directory: int, name: str) -> None:
    """Rename a directory at a file's path to a hidden name, which no scan reads: a conflict fails no run (K15)."""
    try:
        seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(seen.st_mode):
        os.rename(name, f".replaced-{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=directory)


def _enter(above: int, name: str) -> int:
    """Open a directory, creating it if needed; a file or link at its path is removed."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        pass
    except PermissionError:
        _restore_rights(above, name)
        return os.open(name, _DIRECTORY, dir_fd=above)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        os.unlink(name, dir_fd=above)
    os.mkdir(name, 0o755, dir_fd=above)
    return os.open(name, _DIRECTORY, dir_fd=above)


def _restore_rights(above: int, name: str) -> None:
    """Restore the rights of a directory for its owner; ``chmod`` by name would follow a link put there meanwhile."""
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)
    finally:
        os.close(descriptor)
