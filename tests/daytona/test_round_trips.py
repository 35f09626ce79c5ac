"""The number of calls to Daytona for each kind of run."""

from __future__ import annotations

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from tests.daytona.cloud import Cloud, until
from tests.engine.asking import bash, content, file, output, put, python

EXEC = "POST /process/execute"
UPLOAD = "POST /files/bulk-upload"
DOWNLOAD = "POST /files/bulk-download"
CREATE = "POST /sandbox"
KiB = 1024
MiB = 1024 * KiB


async def test_making_a_sandbox_is_a_create_and_one_exec(cloud: Cloud, own: DaytonaEngine) -> None:
    """The runner and the directories come with one command."""
    with cloud.counting() as calls:
        await own.create()
    assert calls == [CREATE, EXEC]


async def test_a_run_is_one_call(cloud: Cloud, sandbox: Sandbox) -> None:
    """Code in, streams and small files out: one call for each run."""
    for _ in range(3):
        with cloud.counting() as calls:
            reply = await sandbox.exchange(python("print(6 * 7)\nopen('plot.png', 'wb').write(bytes(200_000))"))
        assert reply.stdout == "42\n"
        assert reply.changed[0].content is not None
        assert calls == [EXEC]


async def test_finding_a_sandbox_again_is_no_call(cloud: Cloud, own: DaytonaEngine, sandbox: Sandbox) -> None:
    """A sandbox known to this process needs no lookup; a dead one shows at the run."""
    with cloud.counting() as calls:
        assert await own.find(sandbox.id) is sandbox
    assert calls == []


async def test_finding_the_sandbox_of_another_replica_is_one_call(cloud: Cloud, sandbox: Sandbox) -> None:
    """Another replica's sandbox is looked up once."""
    async with cloud.engine(has_shared_leases=True) as other:
        with cloud.counting() as calls:
            found = await other.find(sandbox.id)
            assert found is await other.find(sandbox.id)
        assert calls == ["GET /sandbox/{id}"]
        assert found is not None
        assert await output(found, bash("echo here")) == "here\n"


async def test_inputs_and_a_run_are_two_calls(cloud: Cloud, sandbox: Sandbox) -> None:
    """Many inputs are one upload, in a fresh sandbox and in a used one, over files of the same name too."""
    for turn in range(3):
        with cloud.counting() as calls:
            data = f"{turn}".encode() * 100 * KiB
            assert await sandbox.put([file(f"in/{number}", data) for number in range(5)]) == {}
            assert await output(sandbox, bash("cat in/* | wc -c; echo x > out")) == f"{500 * KiB}\n"
        assert calls == [UPLOAD, EXEC]


async def test_small_inputs_are_two_calls_even_where_a_program_left_links(cloud: Cloud, sandbox: Sandbox) -> None:
    """Small inputs travel in the request itself."""
    await output(sandbox, bash("ln -s /etc/passwd link"))
    with cloud.counting() as calls:
        assert await sandbox.put([file("link", b"safe"), file("other", b"x" * 30 * KiB)]) == {}
        assert await output(sandbox, bash("cat link")) == "safe"
    assert calls == [EXEC, EXEC]


async def test_large_inputs_are_three_calls_where_a_program_left_links(cloud: Cloud, sandbox: Sandbox) -> None:
    """Such inputs need an inbox; this is the most expensive case."""
    await output(sandbox, bash("ln -s /etc/passwd link"))
    with cloud.counting() as calls:
        assert await sandbox.put([file("link", b"safe"), file("other", b"x" * 300 * KiB)]) == {}
        assert await output(sandbox, bash("cat link")) == "safe"
    assert calls == [UPLOAD, EXEC, EXEC]


async def test_a_large_file_is_streamed_in_a_call_of_its_own(cloud: Cloud, sandbox: Sandbox) -> None:
    """A large file is streamed, so it cannot share a call."""
    with cloud.counting() as calls:
        await sandbox.put([file("large", b"x" * 5 * MiB), file("a"), file("b")])
    assert calls == [UPLOAD, UPLOAD]


async def test_a_large_output_is_one_call_more(cloud: Cloud, sandbox: Sandbox) -> None:
    """The run's reply names the file, so the download needs no lookup."""
    reply = await sandbox.exchange(bash("head -c 3000000 /dev/zero > large"))
    assert reply.changed[0].content is None
    with cloud.counting() as calls:
        assert await content(sandbox, "large") == bytes(3_000_000)
    assert calls == [DOWNLOAD]


async def test_a_large_program_is_uploaded_first(cloud: Cloud, sandbox: Sandbox) -> None:
    """A request that does not fit into a command is uploaded as a file."""
    with cloud.counting() as calls:
        assert await output(sandbox, python(f"print(len('{'x' * 100_000}'))")) == "100000\n"
    assert calls == [UPLOAD, EXEC]


async def test_destroying_is_one_call_in_the_background(cloud: Cloud, own: DaytonaEngine, sandbox: Sandbox) -> None:
    """Destroying happens in the background."""
    with cloud.counting() as calls, cloud.set_to(latency_seconds=0.1):
        await own.destroy(sandbox.id)
        assert sandbox.id in cloud.sandboxes(), "it was waited for"
        await cloud.until_gone(sandbox.id)
    assert calls == ["DELETE /sandbox/{id}"]


async def test_a_warm_sandbox_is_no_call(cloud: Cloud) -> None:
    """A session that takes a spare does not wait for Daytona; the next spare is made in the background."""
    async with cloud.engine(warm_sandboxes=1, app="warm") as engine:
        await until(lambda: bool(engine.stats().warm))
        (waiting,) = engine.stats().warm
        with cloud.counting() as calls:
            sandbox = await engine.create()
            assert calls == []
        assert sandbox.id == waiting
        await put(sandbox, here=b"x")
