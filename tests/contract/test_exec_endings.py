"""However a program ends, the answer is a 200 that reports it (K18, K19, K23, K24, K25)."""

from __future__ import annotations

from typing import Any

import pytest

from librechat_code_interpreter.settings import LEAST_STDOUT_BYTES
from librechat_code_interpreter.units import MiB
from tests.contract.caller import Caller, Json, names
from tests.contract.conftest import Serve

TYPES: dict[str, type | tuple[type, ...]] = {
    "session_id": str, "stdout": str, "stderr": str, "files": list, "code": int, "signal": str, "message": str,
    "status": str, "wall_time": (int, float), "language": str, "deleted_files": list, "artifact_delivery": dict,
}  # fmt: skip

ENDINGS: dict[str, tuple[str, str, Json]] = {
    "an exception": ("py", "print('before')\nraise ValueError('oh no')", {"code": 1}),
    "an exit code": ("py", "import sys; print('before'); sys.exit(3)", {"code": 3}),
    "an exit code of bash": ("bash", "echo before; exit 7", {"code": 7}),
    "a syntax error": ("py", "print('before'\n", {"code": 1}),
    "an unknown command": ("bash", "nosuchcommand", {"code": 127}),
    "an exception of js": ("js", "console.log('before'); throw new Error('oh no')", {"code": 1}),
    "a rejection of ts": ("ts", "console.log('before'); await Promise.reject(new Error('oh no'))", {"code": 1}),
    "a crash": ("bash", "echo before; kill -SEGV $$", {"status": "SG", "signal": "SIGSEGV"}),
    "a suicide": ("py", "import os; print('before'); os.kill(os.getpid(), 9)", {"status": "SG", "signal": "SIGKILL"}),
    "the time limit": ("py", "print('before')\nwhile True: pass", {"status": "TO", "message": "Time limit exceeded"}),
    "the memory limit": (
        "bash",
        "echo before; exec python3 -c '[b\"x\" * 2**28 for _ in range(12)]'",
        {"status": "SG"},
    ),
}


def assert_well_formed(answer: Json) -> None:
    """Check names and types of every field, and that nothing is null (K19)."""
    assert {"session_id", "stdout", "stderr", "files"} <= answer.keys() <= TYPES.keys()
    for name, value in answer.items():
        assert isinstance(value, TYPES[name]), (name, value)
    assert not [key for file in answer["files"] for key, value in file.items() if value is None]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_ending_is_a_200_with_its_reason_on_stderr(caller: Caller, ending: str) -> None:
    """K18, K19: whatever the program does; the output before it is kept."""
    lang, code, expected = ENDINGS[ending]
    answer = await caller.exec(code, lang, **({"timeout": 1000} if "time" in ending else {}))
    assert_well_formed(answer)
    assert answer["stderr"] != ""
    assert {key: answer.get(key) for key in expected} == expected
    assert answer["stdout"] == ("before\n" if "before'\n" not in code and "before" in code else "")
    if "status" in expected:
        assert f"[sandbox] {answer['message']}" in answer["stderr"]


async def test_a_good_end_has_no_reason(caller: Caller) -> None:
    """K19: code 0, language and wall_time; status, signal and message are absent."""
    answer = await caller.exec("print(1)", "python")
    assert_well_formed(answer)
    assert answer.keys() == {"session_id", "stdout", "stderr", "files", "code", "wall_time", "language"}
    assert (answer["code"], answer["language"], answer["stderr"]) == (0, "py", "")
    assert answer["wall_time"] > 0


async def test_output_files_and_session_outlive_the_time_limit(caller: Caller) -> None:
    """K18, K20: partial stdout and the files written so far come with the timeout; the session continues."""
    code = "open('a.txt', 'w').write('a')\nprint('so far')\nimport time\ntime.sleep(600)"
    answer = await caller.exec(code, timeout=1000)
    assert (answer["stdout"], answer["status"], names(answer)) == ("so far\n", "TO", ["a.txt"])
    again = await caller.exec("print(open('a.txt').read())", session_id=answer["session_id"])
    assert again["stdout"] == "a\n"


async def test_the_time_limit_covers_programs_that_refuse_to_end(caller: Caller) -> None:
    """K18: a program that ignores signals, stops itself, or leaves a child running is still ended."""
    for code in ("trap '' TERM INT HUP; while :; do :; done", "kill -STOP $$; sleep 600", "sleep 600 & wait"):
        assert (await caller.exec(code, "bash", timeout=500))["status"] == "TO"


@pytest.mark.parametrize("timeout", [None, 1, 500.5, "2000", 10**12])
async def test_any_positive_time_limit_is_taken(caller: Caller, timeout: Any) -> None:
    """K14: milliseconds, cut to what is allowed; null is the default."""
    answer = await caller.exec("true", "bash", timeout=timeout)
    assert_well_formed(answer)


async def test_output_that_is_not_utf8_is_shown_all_the_same(caller: Caller) -> None:
    """K19: stdout and stderr are always strings."""
    answer = await caller.exec(r"printf 'a\xff\x00b'; printf '\xfe' >&2", "bash")
    assert answer["stdout"] == "a\ufffd\0b"
    assert answer["stderr"].startswith("\ufffd")


async def test_ten_mebibytes_of_stdout_arrive_whole(caller: Caller) -> None:
    """K23: LibreChat's edit_file reads through cat, takes 10 MiB, and writes back what it saw: no byte is missing."""
    text = ("é" * 31 + "\n").encode() * (10 * MiB // 63) + b"x" * (10 * MiB % 63)
    assert len(text) == 10 * MiB
    ref = await caller.upload_one("big.txt", text)
    answer = await caller.exec("cat big.txt", "bash", files=[ref])
    assert (answer.get("status"), answer["stderr"]) == (None, "")
    assert answer["stdout"].encode() == text


@pytest.mark.parametrize(("redirect", "stream"), [("", "stdout"), (" >&2", "stderr")])
async def test_more_output_than_the_cap_ends_the_program(serve: Serve, redirect: str, stream: str) -> None:
    """K23: status OL, the message and stderr name the stream; what fits is kept."""
    cap = LEAST_STDOUT_BYTES + 1
    async with serve(stdout_max_bytes=cap, stderr_max_bytes=cap) as service:
        answer = await service.caller().exec(f"yes{redirect}", "bash", timeout=20_000)
        at_cap = await service.caller().exec(f"yes | head -c {cap}{redirect}", "bash")
    assert (answer["status"], answer["message"]) == ("OL", f"{stream} length exceeded")
    assert f"[sandbox] {stream} length exceeded" in answer["stderr"]
    assert answer[stream].startswith("y\n" * (cap // 2))
    assert (at_cap.get("status"), at_cap[stream]) == (None, "y\n" * (cap // 2))


async def test_bodies_of_20_mebibytes_and_more_are_taken(caller: Caller) -> None:
    """K24: LibreChat's helpers carry files as base64 in ``code``; 24 MiB of it run like anything else."""
    size = 24 * MiB
    code = "base64 -d > file.bin <<'EOF'\n" + "QUJD" * (size // 4) + "\nEOF\nstat -c %s file.bin"
    answer = await caller.exec(code, "bash")
    assert (answer["stdout"], answer["stderr"]) == (f"{size // 4 * 3}\n", "")
    assert names(answer) == ["file.bin"]


async def test_prewarming_succeeds_with_empty_output(caller: Caller) -> None:
    """K25: and the conversation's next run finds the session it made."""
    warm = await caller.exec("true", "bash", runtime_session_hint="to-be-warm")
    assert (warm["stdout"], warm["stderr"], warm["files"], warm["code"]) == ("", "", [], 0)
    after = await caller.exec("print(6 * 7)", runtime_session_hint="to-be-warm")
    assert (after["session_id"], after["stdout"]) == (warm["session_id"], "42\n")


async def test_an_empty_program_is_a_program(caller: Caller) -> None:
    """K18: empty code is a successful run."""
    for lang in ("py", "js", "ts", "bash"):
        answer = await caller.exec("", lang)
        assert (answer["stdout"], answer["stderr"], answer["code"]) == ("", "", 0)


async def test_strange_programs_end_as_values_too(caller: Caller) -> None:
    """K18: NUL in the text or in an argument, no newline at the end, a deep recursion: 200, the error on stderr."""
    for lang, code, args in [
        ("py", "print(1)\0", []),
        ("bash", "echo 1", ["nul \0 inside"]),
        ("js", "console.log(1)", ["nul \0 inside"]),
        ("py", "def f(): f()\nf()", []),
    ]:
        answer = await caller.exec(code, lang, args=args)
        assert_well_formed(answer)
        assert answer["code"] == 0 or answer["stderr"] != "", (lang, code, args)
