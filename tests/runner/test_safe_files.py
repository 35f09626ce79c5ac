"""No path leads out of a directory, whatever lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from librechat_code_interpreter.runner.safe_files import create_file, open_parent, open_regular


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """Make a directory with links that lead out of it, beside a file that nobody may reach."""
    (tmp_path / "outside").write_text("outside")
    inside = tmp_path / "root"
    (inside / "dir").mkdir(parents=True)
    (inside / "dir/file").write_text("inside")
    (inside / "up").symlink_to("..")
    (inside / "link").symlink_to("dir/file")
    (inside / "self").symlink_to("/proc/self/cwd")
    os.mkfifo(inside / "pipe")
    descriptor = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


OUTSIDE = ["/etc/passwd", "../outside", "dir/../../outside", "up/outside", "self/x", "", ".", "dir//file", "dir/"]


@pytest.mark.parametrize("path", [*OUTSIDE, "link", "pipe", "dir", "missing", "dir/file/x", "x" * 300])
def test_only_regular_files_below_are_opened(root: int, path: str) -> None:
    """Anything else is an ``OSError``, and no descriptor stays open."""
    before = open_descriptors()
    with pytest.raises(OSError):
        open_regular(root, path)
    assert open_descriptors() == before
    with open(open_regular(root, "dir/file"), "rb") as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize("path", ["/etc/x", "../x", "dir/../../x", "", "dir/", "a//b"])
def test_a_path_that_escapes_is_not_made(root: int, path: str, tmp_path: Path) -> None:
    """Nor is anything on the way to it."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError):
        open_parent(root, path, create=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", ["up/x", "self/x", "link/x", "pipe/x", "dir/file/x", "new/deep/x"])
def test_what_is_in_the_way_of_a_directory_is_removed(root: int, path: str, tmp_path: Path) -> None:
    """The file is made below the root, and nothing beside the root changes."""
    before = open_descriptors()
    directory, name = open_parent(root, path, create=True)
    os.close(create_file(directory, name))
    os.close(directory)
    assert (tmp_path / "root" / path).is_file()
    assert not (tmp_path / "root" / path).parent.is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["outside", "root"]
    assert open_descriptors() == before
