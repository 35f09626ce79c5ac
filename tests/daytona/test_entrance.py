"""The runner's archive works as a plain program: ``python3 runner.pyz < order``."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from librechat_code_interpreter.engines.daytona import archive, bootstrap
from librechat_code_interpreter.engines.daytona.runner_exec import new_nonce
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.frame import unwrap
from librechat_code_interpreter.runner.messages import Limits, Program, Reply, Request

ANSWER_SECONDS = 30


@dataclass
class RequestIdMiddleware:
    """The archive, with directories of one test's own instead of the machine's."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def archive(self) -> Path:
        """Where the archive lies."""
        return self.root / archive.runner_name()

    def order(self, verb: str, nonce: str | None = None, **fields: Any) -> dict[str, Any]:
        """Write a request."""
        directories = {name: str(self.root / name) for name in ("home", "workspace")}
        temporary = [str(self.root / "temporary")]
        return {"verb": verb, "nonce": nonce or secrets.token_hex(16), "temporary": temporary, **directories, **fields}

    def start(self, order: dict[str, Any], *arguments: str) -> subprocess.Popen[str]:
        """Start the archive on a request."""
        command = [sys.executable, str(self.archive), *arguments]
        env = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", **self.env}
        process = subprocess.Popen(
            command, cwd="/", env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdin is not None
        if not arguments:
            process.stdin.write(json.dumps(order))
        process.stdin.close()
        process.stdin = None
        return process

    def ask(self, order: dict[str, Any], *arguments: str) -> dict[str, Any]:
        """Let the archive run a request, and return its answer."""
        output, _ = self.start(order, *arguments).communicate(timeout=ANSWER_SECONDS)
        message = unwrap(output, order["nonce"])
        assert message is not None, output
        answer: dict[str, Any] = json.loads(message)
        return answer

    def request(self, source: str, *, language: str = "py", **limits: Any) -> dict[str, Any]:
        """Write a request for a program."""
        if language == "py":
            program = Program(source, "main.py", "warm")
        else:
            program = Program(source, "main.sh", "scratch", run=["bash", "{source}"], language="bash")
        workspace, scratch = str(self.root / "workspace"), str(self.root / "temporary")
        return Request(program, Limits(**limits), workspace=workspace, scratch=scratch).to_json()

    def run(self, source: str, **options: Any) -> Reply:
        """Run a program."""
        answer = self.ask(self.order("run", request=self.request(source, **options)))
        return Reply.from_json(answer["reply"])


@pytest.fixture
def entrance(tmp_path: Path) -> RequestIdMiddleware:
    """Lay the archive out."""
    for name in ("home", "workspace", "temporary"):
        (tmp_path / name).mkdir()
    entrance = RequestIdMiddleware(tmp_path)
    entrance.archive.write_bytes(archive.runner())
    return entrance


def test_a_program_runs_and_its_reply_is_framed(entrance: RequestIdMiddleware) -> None:
    """Streams, code and files arrive in one frame on stdout."""
    source = "import sys; print('out'); print('err', file=sys.stderr); open('f', 'w').write('x'); sys.exit(3)"
    reply = entrance.run(source)
    assert (reply.ending, reply.code, reply.stdout, reply.stderr) == (Ending.EXIT, 3, "out\n", "err\n")
    assert [(item.path, base64.b64decode(item.content or "")) for item in reply.changed] == [("f", b"x")]


def test_an_order_may_come_in_a_file(entrance: RequestIdMiddleware) -> None:
    """A request too large for a command line is passed in a file, which is removed afterwards."""
    order = entrance.order("run", request=entrance.request("print('x')"))
    path = entrance.root / "order"
    path.write_text(json.dumps(order))
    assert entrance.ask(order, str(path))["reply"]["stdout"] == "x\n"
    assert not path.exists()


def test_a_program_sees_nothing_of_the_runner(entrance: RequestIdMiddleware) -> None:
    """A program finds neither the runner's modules nor its archive, and its stdin is at its end."""
    source = """
import sys
names = [name for name in sys.modules if name.split(".")[0] == "librechat_code_interpreter"]
print(names, [path for path in sys.path if "pyz" in path])
print(repr(sys.stdin.read()))
"""
    assert entrance.run(source).stdout == "[] []\n''\n"


def test_a_program_finds_the_tools_and_nothing_else_of_the_sandboxs_environment(entrance: RequestIdMiddleware) -> None:
    """PATH and related variables are passed on; the sandbox's other variables stay."""
    entrance.env = {"DAYTONA_SECRET": "x", "JAVA_HOME": "/java"}
    source = "import os; print('DAYTONA_SECRET' in os.environ, os.environ['JAVA_HOME'], 'PATH' in os.environ)"
    assert entrance.run(source).stdout == "False /java True\n"


def test_everything_a_program_started_is_killed(entrance: RequestIdMiddleware) -> None:
    """Orphans that left the session are found and killed before the answer."""
    source = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("pid", "w").write(str(os.getpid()))
        time.sleep(1000)
    os._exit(0)
os.wait()
while not os.path.exists("pid") or not open("pid").read():
    pass
"""
    assert entrance.run(source).ending == Ending.OK
    pid = int((entrance.root / "workspace" / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_temporary_files_of_a_run_are_removed_and_older_ones_stay(entrance: RequestIdMiddleware) -> None:
    """The temporary directories of an earlier run are removed."""
    temporary = entrance.root / "temporary"
    (temporary / "older").write_text("x")
    source = "mkdir -p $T/d/e; touch $T/f $T/.h; chmod 0 $T/d".replace("$T", str(temporary))
    assert entrance.run(source, language="bash").ending == Ending.OK
    assert [path.name for path in temporary.iterdir()] == ["older"]


def test_a_program_cannot_look_into_the_runner(entrance: RequestIdMiddleware) -> None:
    """The nonce in the runner's memory is unreadable for programs of the same user."""
    if os.geteuid() == 0:
        pytest.skip("root may look into everything")
    source = """
import os
try:
    open(f"/proc/{os.getppid()}/environ").read()
except PermissionError:
    print("closed")
"""
    assert entrance.run(source).stdout == "closed\n"


def test_a_run_that_was_called_off_never_starts(entrance: RequestIdMiddleware) -> None:
    """Whoever creates the mark first, runner or canceller, wins."""
    nonce = secrets.token_hex(16)
    assert entrance.ask(entrance.order("stop", path=nonce)) == {"started": False}
    order = entrance.order("run", nonce, request=entrance.request("open('started', 'w')"))
    assert entrance.ask(order) == {"error": "called off"}
    assert list((entrance.root / "workspace").iterdir()) == []


def test_the_engines_own_mark_calls_a_run_off(entrance: RequestIdMiddleware) -> None:
    """The shell command ``mkdir``, which the engine uses when it lost the connection, does the same."""
    nonce = secrets.token_hex(16)
    (entrance.root / "home" / f"ran-{nonce}").mkdir()
    order = entrance.order("run", nonce, request=entrance.request("open('started', 'w')"))
    assert entrance.ask(order) == {"error": "called off"}


def test_a_run_that_started_cannot_be_called_off(entrance: RequestIdMiddleware) -> None:
    """A cancelled run that has ended keeps its effects."""
    order = entrance.order("run", request=entrance.request("print('x')"))
    entrance.ask(order)
    with pytest.raises(FileExistsError):
        (entrance.root / "home" / f"ran-{order['nonce']}").mkdir()
    assert entrance.ask(entrance.order("stop", path=order["nonce"])) == {"started": True}


def test_stopping_kills_the_program_and_the_runner(entrance: RequestIdMiddleware) -> None:
    """All processes of a running program end, including those that ignore signals."""
    source = "trap '' TERM INT HUP; (trap '' TERM; sleep 1000) & echo $! > pid; sleep 1000"
    order = entrance.order("run", request=entrance.request(source, language="bash"))
    running = entrance.start(order)
    pid_file = entrance.root / "workspace" / "pid"
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert entrance.ask(entrance.order("stop", path=order["nonce"])) == {"started": True}
    assert running.wait(ANSWER_SECONDS) == -signal.SIGKILL
    while Path(f"/proc/{pid_file.read_text().strip()}/fd").exists() and _is_alive(int(pid_file.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if running.stdout is not None:
        running.stdout.close()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_archive_is_the_same_every_time() -> None:
    """The archive's name depends on its content alone, on every replica and after every start."""
    name = archive.runner_name()
    archive.runner.cache_clear()
    archive.runner_name.cache_clear()
    assert archive.runner_name() == name


def test_the_first_command_is_short_enough_for_a_shell() -> None:
    """The bootstrap command with the archive stays a fifth below Linux's limit of 128 KiB for one argument."""
    assert len(bootstrap.command(new_nonce())) < 0.8 * 128 * 1024
