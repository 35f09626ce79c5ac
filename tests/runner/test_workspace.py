"""Created, changed and deleted files are reported, and nothing in the workspace redirects a read (K11, K21)."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from librechat_code_interpreter.runner import workspace_diff
from librechat_code_interpreter.runner.messages import Limits
from librechat_code_interpreter.runner.workspace_diff import Changes, Snapshot
from tests.runner.host import Bench, bash_program

Work = Callable[[], object]
LONG_AGO_NS = 1_000_000_000 * 10**9


def see(root: Path, work: Work, **limits: int) -> Changes:
    """Scan, let ``work`` happen in the directory, scan again."""
    before = workspace_diff.scan(str(root))
    here = Path.cwd()
    os.chdir(root)
    try:
        work()
    finally:
        os.chdir(here)
    return workspace_diff.changes(str(root), before, Limits(**limits))


def paths(changes: Changes) -> list[str]:
    return [file.path for file in changes.changed]


def write(path: str, text: str = "x") -> Work:
    def work() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    return work


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Make a workspace with two old files."""
    for name in ("a.txt", "dir/b.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("old")
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return tmp_path


# --- created, changed, deleted ---------------------------------------------------------------------------------------


def test_nothing_done_is_nothing_told(old: Path) -> None:
    """Reading and listing are no changes."""
    changes = see(old, lambda: (Path("a.txt").read_text(), list(Path().rglob("*"))))
    assert (changes.changed, changes.deleted, changes.left_out) == ([], [], [])


def test_created_files_are_told_at_any_depth(old: Path) -> None:
    """A new file is reported by its path in the workspace, with its size and content."""
    changes = see(old, write("dir/deep/new.txt", "content"))
    (file,) = changes.changed
    assert (file.path, file.size) == ("dir/deep/new.txt", 7)
    assert base64.b64decode(file.content or "") == b"content"


def test_an_empty_file_is_a_file(old: Path) -> None:
    """An empty file made by `Path.touch` is reported as empty."""
    (file,) = see(old, Path("empty").touch).changed
    assert (file.path, file.size, file.content) == ("empty", 0, "")


def rewrite_and_restore_time() -> None:
    Path("a.txt").write_text("new")
    os.utime("a.txt", ns=(LONG_AGO_NS, LONG_AGO_NS))


def replace_and_restore_time() -> None:
    Path("other").write_text("new")
    os.utime("other", ns=(LONG_AGO_NS, LONG_AGO_NS))
    os.rename("other", "a.txt")


CHANGES: dict[str, Work] = {
    "written anew": write("a.txt", "newer"),
    "written anew with as many bytes": write("a.txt", "new"),
    "written anew with the same bytes": write("a.txt", "old"),
    "written anew with its old time": rewrite_and_restore_time,
    "replaced by another file with its old time": replace_and_restore_time,
    "touched": lambda: os.utime("a.txt"),
    "cut": lambda: os.truncate("a.txt", 1),
}


@pytest.mark.parametrize("work", CHANGES.values(), ids=CHANGES)
def test_a_changed_file_is_told(old: Path, work: Work) -> None:
    """However a file is changed, it is reported, and only it; a forged time does not hide a change."""
    changes = see(old, work)
    assert (paths(changes), changes.deleted) == (["a.txt"], [])


def test_a_change_of_rights_alone_is_no_change(old: Path) -> None:
    """`chmod` changes no content, so there is no new version of the file."""
    changes = see(old, lambda: os.chmod("a.txt", 0o600))
    assert (changes.changed, changes.deleted) == ([], [])


def test_a_deleted_file_is_told(old: Path) -> None:
    """Deleted files are reported by path, in order."""
    changes = see(old, lambda: (os.unlink("dir/b.txt"), os.unlink("a.txt")))
    assert (changes.changed, changes.deleted) == ([], ["a.txt", "dir/b.txt"])


def test_a_renamed_file_is_gone_and_new(old: Path) -> None:
    """A rename is a deletion and a creation."""
    changes = see(old, lambda: os.rename("a.txt", "c.txt"))
    assert (paths(changes), changes.deleted) == (["c.txt"], ["a.txt"])


def test_a_moved_directory_moves_its_files(old: Path) -> None:
    """Files are identified by their whole path."""
    changes = see(old, lambda: os.rename("dir", "elsewhere"))
    assert (paths(changes), changes.deleted) == (["elsewhere/b.txt"], ["dir/b.txt"])


def test_a_file_replaced_by_a_link_is_gone(old: Path) -> None:
    """A link is no file: a file replaced by one is deleted, and the link is not reported."""
    changes = see(old, lambda: (os.unlink("a.txt"), os.symlink("dir/b.txt", "a.txt")))
    assert (changes.changed, changes.deleted) == ([], ["a.txt"])


def test_files_come_in_the_order_of_their_making(old: Path) -> None:
    """Files are reported in the order of their last write; equal times by name."""

    def work() -> None:
        for second, name in enumerate(("z", "dir/y", "x", "a.txt")):
            Path(name).write_text(name)
            os.utime(name, (second, second))
        for name in ("v", "w", "u"):
            Path(name).touch()
            os.utime(name, (2, 2))

    assert paths(see(old, work)) == ["z", "dir/y", "u", "v", "w", "x", "a.txt"]


# --- what is no file -------------------------------------------------------------------------------------------------


def make_socket() -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")


NO_FILES: dict[str, Work] = {
    "symlink to a file": lambda: os.symlink("a.txt", "link"),
    "symlink to a directory": lambda: os.symlink("dir", "link"),
    "symlink out of the workspace": lambda: os.symlink("/etc", "link"),
    "symlink to nothing": lambda: os.symlink("nowhere", "link"),
    "symlink to itself": lambda: os.symlink("link", "link"),
    "pipe": lambda: os.mkfifo("pipe"),
    "socket": make_socket,
    "empty directory": lambda: os.mkdir("empty"),
}


@pytest.mark.parametrize("work", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_skipped_in_silence(old: Path, work: Work) -> None:
    """Links, pipes, sockets and directories are neither delivered nor reported, and pipes do not block."""
    changes = see(old, work)
    assert (changes.changed, changes.deleted, changes.left_out) == ([], [], [])


@pytest.mark.parametrize(
    "directory", [".cache", ".git", "node_modules", "__pycache__", "dir/.hidden", "dir/node_modules", "a/b/__pycache__"]
)
def test_directories_of_tools_are_skipped(old: Path, directory: str) -> None:
    """Hidden directories and those of package managers are not output, at any depth."""
    changes = see(old, write(f"{directory}/sub/file.txt"))
    assert (changes.changed, changes.left_out) == ([], [])


@pytest.mark.parametrize("name", ["venv", "env", "my environment"])
def test_a_virtual_environment_is_skipped_under_any_name(old: Path, name: str) -> None:
    """A directory with `pyvenv.cfg` is a virtual environment."""
    changes = see(old, lambda: (write(f"{name}/pyvenv.cfg")(), write(f"{name}/lib/module.py")()))
    assert (changes.changed, changes.left_out) == ([], [])


ODD_NAMES = [
    ".env", "dist/app.js", "build/index.html", "code.py", "venv.txt", "node_modules.txt", "-rf", "--", "~", "a b.txt",
    " leading", "trailing ", "it's \"quoted\".txt", "$(x);&|<>*?[]{}.txt", "ünï/côdé.txt", "日本語.csv", "e\u0301.txt",
    "emoji 🎉.png", "..dots", "...", "a.tar.gz", "no extension", "UPPER.TXT", "dir/a.txt", "x" * 255, "%2e%2e",
    "d" * 255 + "/" + "f" * 255,
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_delivered(old: Path, name: str) -> None:
    """There is no list of allowed names or endings."""
    changes = see(old, write(name))
    assert (paths(changes), changes.left_out) == ([name], [])


UNFIT_NAMES: dict[bytes, str] = {
    b"new\nline": "control character",
    b"tab\t": "control character",
    b"escape\x1b[31m": "control character",
    b"delete\x7f": "control character",
    b"back\\slash": "backslash",
    b"latin-\xe9": "UTF-8",
    b"surrogate-\xed\xa0\x80": "UTF-8",
    b"d" * 255 + b"/" + b"e" * 255 + b"/f": "longer",
}


@pytest.mark.parametrize(("name", "reason"), UNFIT_NAMES.items(), ids=repr)
def test_a_name_that_cannot_be_one_is_told_and_left_out(old: Path, name: bytes, reason: str) -> None:
    """A file with an unusable name is not delivered; the reason is printable, and the other files are."""

    def work() -> None:
        os.makedirs(os.path.dirname(name) or b".", exist_ok=True)
        with open(name, "w") as file:
            file.write("x")
        Path("good").touch()

    changes = see(old, work)
    (left_out,) = changes.left_out
    assert paths(changes) == ["good"]
    assert reason in left_out.reason
    assert left_out.is_limit
    assert left_out.path.encode()  # not a surrogate in it


def test_what_was_left_out_before_is_not_told_again(old: Path) -> None:
    """A file with an unusable name is reported once, by the run that made it."""
    (old / "back\\slash").touch()
    assert see(old, lambda: None).left_out == []


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_file_over_the_size_limit_is_told_and_left_out(old: Path) -> None:
    """The limit itself is allowed."""
    changes = see(old, lambda: (write("fits", "x" * 100)(), write("over", "x" * 101)()), artifact_bytes=100)
    assert paths(changes) == ["fits"]
    assert [(item.path, item.is_limit) for item in changes.left_out] == [("over", True)]


def test_more_files_than_the_limit_are_told_and_left_out(old: Path) -> None:
    """The first ones made are delivered."""

    def work() -> None:
        for second in range(5):
            Path(f"{9 - second}").touch()
            os.utime(f"{9 - second}", (second, second))

    changes = see(old, work, artifact_files=3)
    assert paths(changes) == ["9", "8", "7"]
    assert [(item.path, item.is_limit) for item in changes.left_out] == [("6", True), ("5", True)]


def test_files_that_are_left_out_do_not_use_up_the_number(old: Path) -> None:
    """A file that is too large does not use up another one's place."""
    changes = see(old, lambda: (write("1", "xx")(), write("2", "x")()), artifact_files=1, artifact_bytes=1)
    assert paths(changes) == ["2"]


def test_small_files_come_with_their_content_and_large_ones_without(old: Path) -> None:
    """Content beyond the inline limits, of one file and of all, is left for the engine to fetch."""

    def work() -> None:
        for second, size in enumerate((10, 11, 10, 10, 5)):
            Path(f"{second}").write_bytes(b"x" * size)
            os.utime(f"{second}", (second, second))

    changes = see(old, work, inline_file_bytes=10, inline_total_bytes=25)
    assert [file.content is not None for file in changes.changed] == [True, False, True, False, True]


def test_a_scan_visits_a_bounded_number_of_entries(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan of a huge directory stops at its bound and reports so."""
    monkeypatch.setattr(workspace_diff, "MAX_ENTRIES", 50)
    changes = see(old, lambda: [Path(f"{number}").touch() for number in range(200)], artifact_files=1000)
    assert len(changes.changed) <= 50
    assert any("50 entries" in item.reason and item.is_limit for item in changes.left_out)


def test_what_a_scan_did_not_reach_is_not_deleted(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as deleted only if it is gone, not if the scan stopped before it."""
    monkeypatch.setattr(workspace_diff, "MAX_ENTRIES", 50)
    changes = see(old, lambda: [Path(f"{number}").touch() for number in range(200)], artifact_files=1000)
    assert changes.deleted == []


# --- in a whole run --------------------------------------------------------------------------------------------------


def test_a_run_tells_its_changes(bench: Bench) -> None:
    """A reply lists the changes of this program, and no earlier ones."""
    bench.bash("echo 1 > kept; echo 2 > changed; echo 3 > deleted")
    reply = bench.bash("echo 4 >> changed; rm deleted; echo 5 > created")
    assert sorted(file.path for file in reply.changed) == ["changed", "created"]
    assert reply.deleted == ["deleted"]


def test_a_run_that_failed_tells_its_changes_too(bench: Bench) -> None:
    """Files written before an exception, a signal or the time limit are delivered."""
    for ending in ("exit 1", "kill -9 $$", "exec sleep 1000"):
        reply = bench.bash(f"echo x >> file; {ending}", wall_seconds=1.0)
        assert [file.path for file in reply.changed] == ["file"], ending


def test_files_can_be_removed_before_a_run(bench: Bench) -> None:
    """Deletions by the session happen before the program starts, and are not reported as the program's."""
    bench.bash("mkdir d; touch a d/b keep; ln -s keep link")
    reply = bench.program(bash_program("echo *"), remove=("a", "d/b", "gone", "d/none/x", "d", "link"))
    assert reply.stdout == "d keep\n"
    assert reply.deleted == []


def test_a_program_may_remove_its_workspace(bench: Bench) -> None:
    """Nor does that keep the runner from answering."""
    bench.bash("touch a")
    reply = bench.bash("rmdir /nowhere; cd /; rm -r $HOME; echo gone")
    assert (reply.stdout, reply.deleted) == ("gone\n", ["a"])


def test_a_snapshot_of_nothing_is_empty(tmp_path: Path) -> None:
    """An empty workspace has no files and no errors."""
    assert workspace_diff.scan(str(tmp_path)) == Snapshot()
