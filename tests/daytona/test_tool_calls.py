"""A program that waits for tools waits in its sandbox: each request costs one call, and replicas keep no state."""

from __future__ import annotations

import textwrap

import pytest

from librechat_code_interpreter.core.errors import EngineLimited, EngineUnavailable
from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Pause, Reply
from tests.daytona.cloud import Cloud
from tests.engine.asking import bash, output, python, until
from tests.engine.conformance.pauses import answers, with_tools

EXEC = "POST /process/execute"
EXECUTE = "/process/execute$"
TWO_CALLS = with_tools(
    python("for n in range(2):\n    open('trace', 'a').write('x')\n    print(await get_weather(city=str(n)))")
)


async def test_each_request_is_one_call(cloud: Cloud, sandbox: Sandbox) -> None:
    """To the first pause, to the next, and to the end."""
    with cloud.counting() as calls:
        pause = await sandbox.begin(TWO_CALLS)
        pause = await sandbox.resume(answers(pause, "a"))
        reply = await sandbox.resume(answers(pause, "b"))
    assert isinstance(reply, Reply)
    assert (reply.stdout, len(reply.changed)) == ("a\nb\n", 1)
    assert calls == [EXEC, EXEC, EXEC]


async def test_any_replica_goes_on(cloud: Cloud, sandbox: Sandbox) -> None:
    """The sandbox's id and the pause's key suffice to resume, so a restart loses nothing."""
    pause = await sandbox.begin(TWO_CALLS)
    async with cloud.engine(has_shared_leases=True) as other:
        found = await other.find(sandbox.id)
        assert found is not None
        pause = await found.resume(answers(pause, "a"))
    reply = await sandbox.resume(answers(pause, "b"))
    assert isinstance(reply, Reply)
    assert (reply.stdout, reply.changed[0].size) == ("a\nb\n", 2)


async def test_a_restart_leaves_a_program_waiting(cloud: Cloud) -> None:
    """At shutdown sandboxes are destroyed, except those of paused programs; the next service resumes them."""
    async with cloud.engine() as engine:
        idle, held = await engine.create(), await engine.create()
        pause = await held.begin(TWO_CALLS)
    async with cloud.engine() as successor:
        assert await successor.find(idle.id) is None
        found = await successor.find(held.id)
        assert found is not None
        reply = await found.resume(answers(await found.resume(answers(pause, "a")), "b"))
        assert isinstance(reply, Reply)
        assert reply.stdout == "a\nb\n"
        await successor.destroy(held.id)


@pytest.mark.parametrize("fault", ["lose-reply", "drop"])
async def test_an_answer_that_got_lost_is_asked_for_again(cloud: Cloud, sandbox: Sandbox, fault: str) -> None:
    """Results are taken once, whether or not the first answer was received."""
    pause = await sandbox.begin(TWO_CALLS)
    with cloud.counting() as calls, cloud.fault(fault, path=EXECUTE):
        pause = await sandbox.resume(answers(pause, "a"))
    assert calls == [EXEC, EXEC]
    assert isinstance(pause, Pause)
    with cloud.fault(fault, path=EXECUTE):
        reply = await sandbox.resume(answers(pause, "b"))
    assert isinstance(reply, Reply)
    assert (reply.ending, reply.stdout, reply.changed[0].size) == (Ending.OK, "a\nb\n", 2)


async def test_an_answer_that_is_lost_twice_is_a_lost_run(cloud: Cloud, sandbox: Sandbox) -> None:
    """Retries end: the results may have had effects."""
    pause = await sandbox.begin(TWO_CALLS)
    with cloud.fault("drop", path=EXECUTE, times=2):
        reply = await sandbox.resume(answers(pause, "a"))
    assert isinstance(reply, Reply)
    assert reply.ending == Ending.LOST


async def test_a_rate_limit_costs_the_paused_run_nothing(cloud: Cloud, sandbox: Sandbox) -> None:
    """The results did not arrive, so they can be sent again."""
    pause = await sandbox.begin(TWO_CALLS)
    with cloud.fault("rate-limit", path=EXECUTE), pytest.raises(EngineLimited):
        await sandbox.resume(answers(pause, "a"))
    assert isinstance(await sandbox.resume(answers(pause, "a")), Pause)


async def test_a_sandbox_that_stopped_has_no_program_any_more(cloud: Cloud, own: DaytonaEngine) -> None:
    """Then the continuation is a 404."""
    sandbox = await own.create()
    pause = await sandbox.begin(TWO_CALLS)
    cloud.force(sandbox.id, "destroyed")
    with pytest.raises(EngineUnavailable):
        await sandbox.resume(answers(pause, "a"))


async def test_results_of_others_are_not_taken(sandbox: Sandbox) -> None:
    """Without the run's secret, which the program does not know, tools cannot be answered."""
    forging = """
        import glob, json, socket, struct
        way = socket.socket(socket.AF_UNIX)
        way.connect(glob.glob("/tmp/.librechat-code/post-*")[0])
        results = {"number": 1, "results": [{"call_id": "call_001", "result": "forged"}]}
        message = json.dumps({"secret": "guess", "results": results}).encode()
        way.sendall(struct.pack(">Q", len(message)) + message)
        print(way.recv(1))
    """
    pause = await sandbox.begin(TWO_CALLS)
    assert await output(sandbox, python(textwrap.dedent(forging))) == "b''\n"
    pause = await sandbox.resume(answers(pause, "true"))
    assert isinstance(pause, Pause)
    assert pause.stdout == "true\n"


async def test_nothing_is_left_of_a_run_that_waited_for_too_long(own: DaytonaEngine) -> None:
    """Neither the program's channel nor the runner's socket outlives it."""
    sandbox = await own.create()
    pause = await sandbox.begin(with_tools(bash('get_weather \'{"city":"x"}\'', pause_seconds=0.1)))
    assert isinstance(pause, Pause)

    async def gone() -> bool:
        look = "ls -d /tmp/.tools-* /tmp/.librechat-code/post-* 2> /dev/null"
        return (await sandbox.remote.process.exec(look, timeout=60)).result.strip() == ""

    await until(gone, "what it left is gone")
