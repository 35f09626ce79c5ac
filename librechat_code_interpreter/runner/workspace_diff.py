"""Changes that a run made in the workspace, found without following anything that a program may have left there.

The scan runs in the sandbox, with the program's own rights, after every process of it has ended. It reads at most
``MAX_ENTRIES`` entries. A file whose path is too long is left out (K11: 512 bytes in all, 255 a segment).
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from librechat_code_interpreter.runner.messages import ChangedFile, LeftOut, Limits

MAX_ENTRIES = 100_000
MAX_PATH_BYTES = 512
MAX_SEGMENT_BYTES = 255
SKIPPED_DIRECTORIES = frozenset({"node_modules", "__pycache__"})

Signature = tuple[int, int, int, int, int]


@dataclass(slots=True)
class Snapshot:
    """Result of a scan: files by their path, and what cannot be delivered."""

    files: dict[str, Signature] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    is_complete: bool = True
    """Whether all entries were scanned; if not, an absent file does not count as deleted."""

    def miss(self, path: str, reason: str) -> None:
        """Record a path that could not be scanned."""
        self.is_complete = False
        self.left_out.append(LeftOut(path, reason, is_limit=True))


@dataclass(slots=True)
class Changes:
    """Difference of two snapshots, ready for the reply."""

    changed: list[ChangedFile] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def remove(root: str, paths: list[str]) -> None:
    """Remove files; missing ones are ignored."""
    for path in paths:
        try:
            os.unlink(os.path.join(root, path))
        except OSError:  # missing, or replaced by a directory: either way no longer that file
            continue


def scan(root: str) -> Snapshot:
    """List the regular files below ``root``; symlinks, pipes, sockets and devices are not files (K21)."""
    found = Snapshot()
    visited = 0
    pending = [""]
    while pending:
        prefix = pending.pop()
        for entry in _entries(os.path.join(root, prefix), prefix, found):
            visited += 1
            if visited > MAX_ENTRIES:
                reason = f"more than {MAX_ENTRIES} entries, the rest was not looked at"
                found.miss("", reason)
                return found
            _sort_in(entry, prefix + entry.name, pending, found)
    return found


def _entries(directory: str, prefix: str, found: Snapshot) -> Iterator[os.DirEntry[str]]:
    try:
        make_usable(directory)
        with os.scandir(directory) as entries:
            yield from entries
    except FileNotFoundError:  # the program removed its own workspace
        return
    except OSError as error:
        found.miss(_shown(prefix), error.strerror or "unreadable")


def make_usable(directory: str) -> None:
    """Restore the owner's rights that a program removed from its directory. Raises ``OSError``."""
    mode = stat.S_IMODE(os.lstat(directory).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(directory, mode | stat.S_IRWXU)


def _sort_in(entry: os.DirEntry[str], path: str, pending: list[str], found: Snapshot) -> None:
    if entry.is_symlink():
        return
    if entry.is_dir(follow_symlinks=False):
        if not _is_skipped_directory(entry):
            pending.append(path + "/")
    elif entry.is_file(follow_symlinks=False):
        reason = unfit_name(path)
        if reason:
            found.left_out.append(LeftOut(_shown(path), reason, is_limit=True))
        else:
            seen = entry.stat(follow_symlinks=False)
            found.files[path] = (seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns, seen.st_mode)


def _is_skipped_directory(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in SKIPPED_DIRECTORIES:
        return True
    return os.path.lexists(os.path.join(entry.path, "pyvenv.cfg"))


def unfit_name(path: str) -> str | None:
    """Return why a path cannot be the name of a file (K11), or ``None`` if it can."""
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if len(raw) > MAX_PATH_BYTES:
        return f"its path is longer than {MAX_PATH_BYTES} bytes"
    if "\\" in path or any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "its name holds a backslash or a control character"
    return None


def _shown(path: str) -> str:
    """Return a hostile name in printable form, at most ``MAX_PATH_BYTES`` of it."""
    return path.encode("utf-8", "surrogateescape")[:MAX_PATH_BYTES].decode("utf-8", "backslashreplace")


def _is_same(before: Signature, after: Signature) -> bool:
    """Compare size, mtime and inode; a changed ctime counts, unless the mode changed too (a chmod)."""
    return before[:3] == after[:3] and (before[3] == after[3] or before[4] != after[4])


def changes(root: str, before: Snapshot, limits: Limits) -> Changes:
    """Scan again; return what the run created, changed and deleted, small files with their content."""
    after = scan(root)
    result = Changes(deleted=sorted(before.files.keys() - after.files.keys()) if after.is_complete else [])
    known = {(item.path, item.reason) for item in before.left_out}
    result.left_out = [item for item in after.left_out if (item.path, item.reason) not in known]
    inline = limits.inline_total_bytes
    room = _capacity(root)
    for path in _in_order_of_making(before, after):
        size = after.files[path][0]
        if size > limits.artifact_bytes:
            result.left_out.append(LeftOut(path, f"it is larger than {limits.artifact_bytes} bytes", is_limit=True))
        elif len(result.changed) >= limits.artifact_files:
            result.left_out.append(LeftOut(path, f"more than {limits.artifact_files} files in one run", is_limit=True))
        elif size > room:
            reason = "the files of this run would take more space than the workspace has"
            result.left_out.append(LeftOut(path, reason, is_limit=True))
        else:
            fits = size <= min(limits.inline_file_bytes, inline)
            try:
                content = _content(root, path, read=fits)
            except OSError as error:
                result.left_out.append(LeftOut(path, error.strerror or "unreadable", is_limit=True))
                continue
            inline -= size if content is not None else 0
            room -= size
            result.changed.append(ChangedFile(path, size, content))
    return result


def _capacity(root: str) -> int:
    """Return the size of the workspace in bytes, as a limit for the sum of its files.

    Files with holes, or several names of one file, seem larger than they can be.
    """
    try:
        seen = os.statvfs(root)
    except OSError:  # the program removed its own workspace
        return 0
    return seen.f_blocks * seen.f_frsize


def _in_order_of_making(before: Snapshot, after: Snapshot) -> list[str]:
    different = [
        path for path, seen in after.files.items() if path not in before.files or not _is_same(before.files[path], seen)
    ]
    return sorted(different, key=lambda path: (after.files[path][1], path))


def _content(root: str, path: str, *, read: bool) -> str | None:
    """Read a file for the reply, or only check that the engine will be able to read it."""
    with open(_open_regular(root, path), "rb") as stream:
        return base64.b64encode(stream.read()).decode("ascii") if read else None


def _open_regular(root: str, path: str) -> int:
    full = os.path.join(root, path)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(full, flags)
    except PermissionError:
        os.chmod(full, 0o600, follow_symlinks=True)  # every process is dead: nothing can swap the file for a link now
        descriptor = os.open(full, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor
