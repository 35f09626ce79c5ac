"""Check and clean the names of files (K11)."""

from __future__ import annotations

from app.runner.workspace import MAX_PATH_BYTES, MAX_SEGMENT_BYTES, unfit_name

ROOTS = ("/mnt/data/", "/workspace/")


def clean(name: str) -> str | None:
    """Give the name relative to the workspace, or ``None`` when it cannot be one.

    An absolute name inside the workspace and ``.`` segments are understood; one that escapes is not.
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


def conflicts(one: str, other: str) -> bool:
    """Tell whether two paths cannot both be files: they are equal, or one is a directory of the other."""
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


__all__ = ["MAX_PATH_BYTES", "MAX_SEGMENT_BYTES", "clean", "conflicts"]
