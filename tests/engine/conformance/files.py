"""Files go in and come out, and nothing that a program left redirects them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from librechat_code_interpreter.core.errors import StoreUnavailable
from librechat_code_interpreter.core.protocols import Sandbox, Staged
from tests.engine.asking import bash, content, file, output, paths, put, python
from tests.engine.conformance.base import Base, Facts, KiB, MiB


def _bait(place: Path) -> tuple[Path, Path]:
    """Make a directory and a file of this machine that anybody may write."""
    directory, victim = place / "directory", place / "victim"
    directory.mkdir()
    victim.write_text("untouched")
    for path in (place, directory, victim):
        path.chmod(0o777)
    return directory, victim


def _is_untouched(place: Path) -> bool:
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
    return found == ["directory", "victim"] and (place / "victim").read_text() == "untouched"


class Files(Base):
    """Files go in and come out, and nothing that a program left redirects them."""

    @pytest.mark.parametrize("size", [0, 1, 64 * KiB, MiB - 1, MiB, MiB + 1, 5 * MiB + 7])
    async def test_bytes_come_out_as_they_went_in(self, sandbox: Sandbox, size: int) -> None:
        """Files of any size, empty ones too, arrive whole on both ways."""
        data = os.urandom(256) * (size // 256 + 1)
        await put(sandbox, data=data[:size])
        source = "import hashlib; print(hashlib.sha256(open('data', 'rb').read()).hexdigest())"
        assert await output(sandbox, bash("sha256sum < data | cut -d' ' -f1")) == await output(sandbox, python(source))
        assert await content(sandbox, "data") == data[:size]

    async def test_files_land_at_any_depth_and_under_any_name(self, sandbox: Sandbox) -> None:
        """Directories are made as needed; spaces, quotes, dashes and other scripts are just names."""
        names = ["a/b/c/d.txt", "a b.txt", "-rf", 'it\'s "it".txt', "日本語/ünï.csv", ".hidden", "x" * 255, "$(true);*"]
        assert await sandbox.put([file(name, name.encode()) for name in names]) == {}
        for name in names:
            assert await content(sandbox, name) == name.encode()
        source = (
            "import os; print(sorted(os.path.relpath(os.path.join(d, f)) for d, _, fs in os.walk('.') for f in fs))"
        )
        assert await output(sandbox, python(source)) == f"{sorted(names)}\n"

    async def test_what_was_put_belongs_to_the_program(self, sandbox: Sandbox) -> None:
        """A program may read, change, rename and delete what was put, and the directories that were made for it."""
        await sandbox.put([file("d/e/f"), file("g")])
        source = "echo more >> d/e/f && mv d/e/f h && rmdir d/e d && chmod 600 g && rm g && ls"
        assert await output(sandbox, bash(source)) == "h\n"

    async def test_what_was_put_is_not_the_programs_work(self, sandbox: Sandbox) -> None:
        """A reply lists only what its run changes."""
        await put(sandbox, before=b"x")
        reply = await sandbox.exchange(bash("cat before > after"))
        assert paths(reply) == ["after"]

    async def test_a_file_replaces_a_file(self, sandbox: Sandbox) -> None:
        """The new version is whole, and a hard link to the old one keeps the old bytes."""
        await put(sandbox, a=b"a long first version")
        await output(sandbox, bash("ln a b; chmod 400 a"))
        await put(sandbox, a=b"second")
        assert await output(sandbox, bash("cat a; echo; cat b")) == "second\na long first version"

    async def test_a_file_takes_the_place_of_a_directory(self, sandbox: Sandbox) -> None:
        """The directory is renamed, its files are not reported as the program's, and the other files arrive."""
        await output(sandbox, bash("mkdir d; touch d/inner"))
        assert await sandbox.put([file("a"), file("d"), file("b")]) == {}
        reply = await sandbox.exchange(bash("ls; cat d"))
        assert (reply.stdout, paths(reply), reply.deleted) == ("a\nb\nd\ncontent", [], [])

    async def test_what_is_in_the_way_of_a_directory_gives_way(self, sandbox: Sandbox) -> None:
        """A path can be created whatever a program left at one of its directories' names."""
        await output(sandbox, bash("touch f; mkfifo p; ln -s nowhere l"))
        assert await sandbox.put([file("f/x"), file("p/x"), file("l/x")]) == {}
        assert await output(sandbox, bash("cat f/x p/x l/x; ls")) == "content" * 3 + "f\nl\np\n"

    async def test_a_file_lands_in_a_closed_directory(self, sandbox: Sandbox) -> None:
        """A program took every right from its own directory; the file arrives, and the program may read it."""
        await output(sandbox, bash("mkdir -p d/e; chmod 0 d/e d"))
        assert await sandbox.put([file("d/e/x")]) == {}
        assert await output(sandbox, bash("cat d/e/x")) == "content"

    async def test_what_has_the_name_of_a_file_gives_way(self, sandbox: Sandbox) -> None:
        """Links, pipes and sockets are replaced, never written through, never waited for."""
        source = "import socket; socket.socket(socket.AF_UNIX).bind('s')"
        await output(sandbox, bash(f'mkfifo p; ln -s victim l; touch victim; python3 -c "{source}"'))
        assert await sandbox.put([file("p"), file("l"), file("s")]) == {}
        assert await output(sandbox, bash("cat p l s victim")) == "content" * 3

    async def test_nothing_is_written_outside_the_workspace(self, sandbox: Sandbox, tmp_path: Path) -> None:
        """Links that a program left, to places of the sandbox or of this machine, lead no file out."""
        here, victim = _bait(tmp_path)
        links = {"file": victim, "dir": here, "tmp": "/tmp", "root": "/", "up": "..", "self": "/proc/self/cwd"}
        await output(
            sandbox,
            python(f"import os\nfor name, to in {[(k, str(v)) for k, v in links.items()]}: os.symlink(to, name)"),
        )
        names = ["file", "dir/x", "tmp/x", "root/x", "up/x", "self/x"]
        assert await sandbox.put([file(name, b"put") for name in names]) == {}
        assert _is_untouched(tmp_path)
        listing = await output(
            sandbox, bash("find . -type l; find . -type f | sort; ls -A /tmp/x /x 2>/dev/null; true")
        )
        assert listing.split() == sorted(f"./{name}" for name in names)

    async def test_a_path_that_escapes_is_refused(self, sandbox: Sandbox) -> None:
        """The core cleans names; an engine does not rely on it."""
        names = ["../escaped", "/escaped", "a/../../escaped", "/tmp/escaped"]
        refused = await sandbox.put([file(name) for name in names])
        taken = len(set(names) - set(refused))  # understood as names of the workspace, so there they have to be
        assert len((await output(sandbox, bash("find . -name escaped"))).split()) >= min(taken, 1)
        assert await output(sandbox, bash("ls -d /escaped ../escaped /tmp/escaped 2>/dev/null; true")) == ""
        for name in ("../../etc/passwd", "/etc/passwd", "a/../../etc/passwd"):
            with pytest.raises(OSError):
                await content(sandbox, name)

    @pytest.mark.parametrize(
        ("make", "path"),
        [
            ("true", "missing"),
            ("mkdir d", "d"),
            ("mkfifo p", "p"),
            ("ln -s /etc/passwd l", "l"),
            ("echo x > f; ln -s f l", "l"),
            ("mkdir d; echo x > d/f; ln -s d l", "l/f"),
            ("ln -s /etc l", "l/passwd"),
            ("echo x > f; chmod 0 f; rm f; mkfifo f", "f"),
        ],
    )
    async def test_only_regular_files_come_out(self, sandbox: Sandbox, make: str, path: str) -> None:
        """No link is followed, no pipe is waited for: anything but a file is an ``OSError``."""
        await output(sandbox, bash(make))
        with pytest.raises(OSError):
            await content(sandbox, path)

    async def test_a_reader_may_leave_early(self, sandbox: Sandbox) -> None:
        """An aborted download does not affect the next one."""
        await put(sandbox, data=b"x" * 6 * MiB)
        for _ in range(5):
            async for _chunk in (chunks := sandbox.get("data")):
                break
            await chunks.aclose()  # type: ignore[attr-defined]
        assert len(await content(sandbox, "data")) == 6 * MiB

    async def test_a_file_that_does_not_fit_leaves_nothing(self, sandbox: Sandbox, facts: Facts) -> None:
        """A file larger than the workspace is refused with a reason; no truncated file is left."""
        refused = await sandbox.put([file("large", b"x" * (facts.workspace_bytes + 1)), file("small")])
        assert list(refused) == ["large"]
        assert refused["large"]
        assert await output(sandbox, bash("ls; df . > /dev/null; cat small")) == "small\ncontent"

    @pytest.mark.parametrize("size", [100, 3 * MiB])
    async def test_a_source_that_fails_leaves_nothing(self, sandbox: Sandbox, size: int) -> None:
        """If the file's source fails, its error reaches the caller and no truncated file is left."""

        async def read() -> AsyncIterator[bytes]:
            yield b"x" * (size // 2)
            raise StoreUnavailable("the store went away")

        with pytest.raises(StoreUnavailable):
            await sandbox.put([Staged("broken", size, read)])
        assert await output(sandbox, bash("ls")) == ""
