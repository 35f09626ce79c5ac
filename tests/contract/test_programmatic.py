"""Programs that call tools: replies, batching, Python and bash (K27-K31, K33)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.contract.caller import Caller, Json, file_named, names
from tests.contract.conftest import Serve
from tests.contract.programs import LIBRECHAT, PATH, ToolFailed, begin, output, play, post, resume, tools
from tests.contract.test_errors import assert_error

REPLIES: dict[str, set[str]] = {
    "tool_call_required": {"status", "session_id", "continuation_token", "tool_calls"},
    "completed": {"status", "session_id", "stdout", "stderr", "files"},
    "error": {"status", "session_id", "stdout", "stderr", "files", "error"},
}
WEATHER: Json = {
    "name": "get-weather",
    "description": "Tell the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Name of the city"},
            "days": {"type": "integer"},
            "unit": {"enum": ["C", "F"]},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
}
EFFECTS = """
for number in range(10):
    with open('effects.txt', 'a') as file:
        file.write(f'{number}\\n')
    await echo(number=number)
"""
BASH_EFFECTS = """
for number in 0 1 2 3 4 5 6 7 8 9; do
    echo $number >> effects.txt
    echo_ "{\\"number\\": $number}" > /dev/null
done
"""


# --- replies (K27, K28) ----------------------------------------------------------------------------------------------


async def test_a_pause_tells_what_the_program_waits_for(caller: Caller) -> None:
    """K27, K28: token, session and the calls with name, input and id; partial output where there is some."""
    reply = await begin(caller, "await echo(a=1, b=[2, {'c': None}])")
    assert reply.keys() == REPLIES["tool_call_required"]
    assert reply["tool_calls"] == [{"id": "call_001", "name": "echo", "input": {"a": 1, "b": [2, {"c": None}]}}]
    code = "import sys\nprint('out'); print('err', file=sys.stderr)\nprint(await echo(), await echo())"
    reply = await begin(caller, code)
    assert reply.keys() == REPLIES["tool_call_required"] | {"partial_stdout", "partial_stderr"}
    assert (reply["partial_stdout"], reply["partial_stderr"]) == ("out\n", "err\n")
    again = await resume(caller, reply)
    assert [call["id"] for call in again["tool_calls"]] == ["call_002"]
    assert again["session_id"] == reply["session_id"]
    assert again["continuation_token"] != reply["continuation_token"]
    end = await resume(caller, again)
    assert end == {
        "status": "completed", "session_id": reply["session_id"], "stdout": "out\n{} {}\n", "stderr": "err\n",
        "files": [],
    }  # fmt: skip


@pytest.mark.parametrize(("lang", "code"), [("python", "print('on')"), ("bash", "echo on")])
@pytest.mark.parametrize("offered", [[], None, tools("unused")])
async def test_a_program_may_call_no_tool_at_all(caller: Caller, lang: str, code: str, offered: Any) -> None:
    """K27, K33: with no tools, or none that it calls, it completes at once, under either name of the language."""
    for name in ("lang", "language"):
        answer = await post(caller, {"code": code, "tools": offered, name: lang})
        assert (answer.status_code, answer.json().keys()) == (200, REPLIES["completed"])
        assert (answer.json()["status"], answer.json()["stdout"]) == ("completed", "on\n")


@pytest.mark.parametrize(
    ("lang", "code"),
    [
        ("python", "print(len(await asyncio.gather(*[echo(n=n) for n in range(20)])))"),
        ("python", "async with asyncio.TaskGroup() as group:\n    for n in range(20): group.create_task(echo(n=n))"),
        (
            "python",
            "from concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor(20) as pool: list(pool.map(lambda n: asyncio.run(echo(n=n)), range(20)))",
        ),
        ("bash", 'for n in $(seq 0 19); do echo_ "{\\"n\\": $n}" & done; wait'),
    ],
)
async def test_calls_that_wait_at_the_same_time_come_in_one_reply(caller: Caller, lang: str, code: str) -> None:
    """K28: gather, task groups, threads and bash's background jobs cost one round, each call with its own id."""
    played = await play(caller, code, tools("echo" if lang == "python" else "echo_"), lang=lang)
    assert played.end["status"] == "completed", played.end
    (calls,) = played.calls
    assert sorted(call["input"]["n"] for call in calls) == list(range(20))
    assert {call["id"] for call in calls} == {f"call_{n:03}" for n in range(1, 21)}


@pytest.mark.parametrize(("lang", "code"), [("python", EFFECTS), ("bash", BASH_EFFECTS)])
async def test_every_effect_happens_once(caller: Caller, lang: str, code: str) -> None:
    """K28: a program of ten calls in sequence runs once: each of its effects happens once."""
    played = await play(caller, code, tools("echo" if lang == "python" else "echo_"), lang=lang)
    assert [[call["input"]["number"] for call in calls] for calls in played.calls] == [[n] for n in range(10)]
    assert await caller.output(played.end, "effects.txt") == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"


async def test_a_program_that_keeps_busy_pauses_too(caller: Caller) -> None:
    """K28: calls are reported after a second even when another thread never sleeps."""
    code = "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()\n"
    assert await output(caller, code + "print(await echo(n=1))") == "{'n': 1}\n"


async def test_files_go_in_and_out_as_with_exec(caller: Caller) -> None:
    """K27: refs are placed, outputs are downloadable, a changed input is a new version, the session goes on."""
    ref = await caller.upload_one("data.txt", b"stored")
    code = """
print(open('data.txt').read(), await echo())
open('data.txt', 'a').write('!')
open('new.txt', 'w').write('n')
"""
    end = (await play(caller, code, files=[ref])).end
    assert (end["stdout"], names(end)) == ("stored {}\n", ["data.txt", "new.txt"])
    assert file_named(end, "data.txt")["modified_from"]["id"] == ref["id"]
    assert await caller.output(end, "data.txt") == b"stored!"
    again = await caller.exec("cat data.txt new.txt", "bash", session_id=end["session_id"])
    assert (again["session_id"], again["stdout"]) == (end["session_id"], "stored!n")


@pytest.mark.parametrize("lang", ["py", "js"])
async def test_no_session_is_refused_for_its_language(caller: Caller, lang: str) -> None:
    """K17: a program with tools runs in a session of any language."""
    session_id = (await caller.exec("1", lang))["session_id"]
    for other in ("python", "bash"):
        assert (await begin(caller, "true" if other == "bash" else "1", session_id=session_id, lang=other))["status"]


# --- Python (K29) ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("get-weather", "get_weather"),
        ("get weather", "get_weather"),
        ("mcp.get.weather", "mcpgetweather"),
        ("2nd-opinion", "_2nd_opinion"),
        ("class", "class_tool"),
        ("None", "None_tool"),
        ("für-alle", "fr_alle"),
        ("camelCase", "camelCase"),
    ],
)
async def test_a_tool_has_the_name_that_the_client_looks_for(caller: Caller, name: str, function: str) -> None:
    """K28, K29: the client's own rule; the call bears the original name."""
    played = await play(caller, f"print(await {function}(a=1))", tools(name))
    assert played.calls == [[{"id": "call_001", "name": name, "input": {"a": 1}}]]
    assert played.end["stdout"] == "{'a': 1}\n"


@pytest.mark.parametrize(
    "result",
    [
        None, True, 0, -1.5, 2**70, "", "text", "{\"not\": \"decoded\"}", "zwölf 中 🎉 \u2028 \ud800", [], {},
        [1, [2, []]], {"deep": {"er": [{"est": None}]}},
        [{"type": "text", "text": "a"}, {"type": "image", "data": "AA=="}],
        "x" * 1_000_000,
    ],
    ids=lambda value: repr(value)[:30].encode("ascii", "replace").decode(),
)  # fmt: skip
async def test_results_are_decoded(caller: Caller, result: Any) -> None:
    """K29: every JSON value arrives as Python's own value, and is returned unchanged."""
    code = "first = await echo()\nsecond = await echo(value=first)\nassert first == second['value']"
    played = await play(caller, code, tool=lambda given: given or result)
    assert played.end["status"] == "completed", played.end
    (call,) = played.calls[1]
    assert call["input"] == {"value": result}


async def test_await_works_everywhere(caller: Caller) -> None:
    """K29: at the top level and in functions, with asyncio there unimported; a return ends the program well."""
    code = """
from __future__ import annotations
async def twice(n: int) -> int:
    return 2 * (await echo(n=n))['n']
print([await twice(n) for n in (1, 2)], asyncio.get_running_loop() is not None)
if __name__ == '__main__':
    return
print('never')
"""
    assert await output(caller, code) == "[2, 4] True\n"


async def test_a_failed_tool_raises(caller: Caller) -> None:
    """K29: ToolExecutionError with the tool's message, which a program may catch; uncaught it is a traceback."""

    def fail(_: Json) -> None:
        raise ToolFailed("no such city")

    code = "try:\n    await echo()\nexcept ToolExecutionError as error:\n    print('caught', error)\n"
    assert await output(caller, code, tool=fail) == "caught no such city\n"
    end = (await play(caller, "print('before')\nawait echo()", tool=fail)).end
    assert (end["status"], end["error"]) == ("error", "Sandbox exited with code 1")
    assert 'main.py", line 2' in end["stderr"]
    assert end["stderr"].endswith("ToolExecutionError: no such city\n")


async def test_one_failure_of_several_spares_the_others(caller: Caller) -> None:
    """K29: results and errors of one reply reach their calls."""

    def odd_fails(given: Json) -> Any:
        if given["n"] % 2:
            raise ToolFailed(f"odd {given['n']}")
        return given["n"]

    code = "print(*await asyncio.gather(*[echo(n=n) for n in range(4)], return_exceptions=True), sep=',')"
    assert await output(caller, code, tool=odd_fails) == "0,odd 1,2,odd 3\n"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("get_weather('Rome')", "keyword arguments only"),
        ("get_weather(city='Rome', days=1e999)", "not JSON"),
        ("get_weather(city=object())", "not JSON"),
    ],
)
async def test_a_call_that_cannot_succeed_is_not_made(caller: Caller, call: str, words: str) -> None:
    """K29: a wrong argument is a TypeError at once, without a round trip."""
    code = f"try:\n    await {call}\nexcept (TypeError, ValueError) as error:\n    print(error)"
    played = await play(caller, code, [WEATHER])
    assert played.calls == []
    assert words in played.end["stdout"]


async def test_values_of_the_data_libraries_can_be_sent(caller: Caller) -> None:
    """K29: numpy numbers and arrays, tuples and sets are converted to plain values."""
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}, "all": {"type": "array"}}}
    code = """
import numpy as np
print(await echo(n=np.int64(3), all=np.arange(3)), await echo(all={1}), await echo(all=(1,)))
"""
    printed = await output(caller, code, [{"name": "echo", "parameters": parameters}])
    assert printed == "{'n': 3, 'all': [0, 1, 2]} {'all': [1]} {'all': [1]}\n"


async def test_help_shows_a_tool(caller: Caller) -> None:
    """K29: the functions have the description and the parameters' descriptions as their docstring."""
    printed = await output(caller, "help(get_weather)", [WEATHER])
    for words in ("get_weather(*, city: str, days: int", "Tell the weather of a city.", "city: Name of the city"):
        assert words in printed


@pytest.mark.parametrize(
    "offered",
    [
        [{"name": "!!!"}],
        tools("a-b", "a_b"),
        tools("a", "a"),
        tools(*[f"t{n}" for n in range(101)]),
        [{}],
        [3],
        "a",
        {},
    ],
    ids=lambda value: str(value)[:30],
)
async def test_tools_that_cannot_be_offered_are_refused(caller: Caller, offered: Any) -> None:
    """K29, K42: no name, two tools of one name, more than a hundred, no tools at all: 400, naming the field."""
    assert_error(await post(caller, {"code": "1", "tools": offered}), 400, "tools")


async def test_a_hundred_tools_are_fine(caller: Caller) -> None:
    """K29: exactly a hundred tools are accepted."""
    assert await output(caller, "print(await t99(a=1))", tools(*[f"t{n}" for n in range(100)])) == "{'a': 1}\n"


# --- bash (K30) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "function"),
    [("get-weather", "get_weather"), ("mcp.get weather", "mcp_get_weather"), ("2nd", "_2nd"), ("time", "time_tool"),
     ("select", "select_tool"), ("für", "fr")],
)  # fmt: skip
async def test_a_tool_has_the_clients_name_in_bash(caller: Caller, name: str, function: str) -> None:
    """K28, K30: bash functions have the client's own name."""
    played = await play(caller, f"{function} '{{\"a\": 1}}'", tools(name), lang="bash")
    assert played.calls == [[{"id": "call_001", "name": name, "input": {"a": 1}}]]
    assert played.end["stdout"] == '{"a":1}\n'


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ('x=$(t \'{"a": "b"}\'); echo "[$x]"', '[{"a":"b"}]\n'),
        ("t '{\"a\": [1, 2]}' | jq -c .a", "[1,2]\n"),
        ('echo \'{"a": 1}\' | while read -r line; do t "$line"; done', '{"a":1}\n'),
        ('t \'{"text": "zwölf\\n$HOME"}\'', "zwölf\n$HOME\n"),
        ("t", "{}\n"),
        ("t ''", "{}\n"),
        ("set -euo pipefail\nx=$(t '{\"a\": 1}' | jq .a)\nt '{}'\necho $x", "{}\n1\n"),
        (': &\nwait "$!"\nset -u; t \'{"a": 1}\'', '{"a":1}\n'),
        ("IFS=:\nset -f\ncd /\nhead() { echo no; }\nPATH=/nowhere\nt '{\"a\": 1}'", '{"a":1}\n'),
        ('t \'{"text": "x"}\' & t \'{"text": "x"}\' & wait; echo done', "x\nx\ndone\n"),
        ("if t '{}' > /dev/null; then echo yes; fi; t '{}' > out.txt; cat out.txt", "yes\n{}\n"),
        ("bash -c 't \"{}\"'", "{}\n"),
    ],
)
async def test_a_tool_is_a_function_like_any_other(caller: Caller, code: str, printed: str) -> None:
    """K30: in substitutions, pipes, jobs and strict mode; JSON is printed compact, text as it is."""

    def tool(given: Json) -> Any:
        return given.get("text", given)

    assert await output(caller, code, tools("t"), lang="bash", tool=tool) == printed


async def test_a_failed_tool_is_exit_code_one(caller: Caller) -> None:
    """K30: the message is on stderr, nothing on stdout; strict mode ends the program there."""

    def fail(_: Json) -> None:
        raise ToolFailed("no such city")

    played = await play(caller, "x=$(t '{}') || echo \"$? [$x]\"", tools("t"), lang="bash", tool=fail)
    assert (played.end["stdout"], played.end["stderr"]) == ("1 []\n", "no such city\n")
    end = (await play(caller, "set -e\nt '{}'\necho never", tools("t"), lang="bash", tool=fail)).end
    assert (end["status"], end["error"], end["stdout"]) == ("error", "Sandbox exited with code 1", "")


@pytest.mark.parametrize("strict", ["", "set -e; "])
@pytest.mark.parametrize(
    "code",
    ["t '{}' 2>/dev/null || true", "x=$(t '{}' 2>&1) || x=", "t '{}' 2>/dev/null | wc -c", "t '{}' 2>/dev/null & wait"],
)
async def test_a_failed_tool_is_told_whatever_the_program_does_with_its_message(
    caller: Caller, strict: str, code: str
) -> None:
    """K30: the program may handle the failure and continue; stderr still reports it, once."""

    def fail(_: Json) -> None:
        raise ToolFailed("no such city")

    end = (await play(caller, f"{strict}{code}\necho after", tools("t"), lang="bash", tool=fail)).end
    assert end["status"] == "completed" and end["stdout"].endswith("after\n")
    assert end["stderr"] == "[sandbox] The tool 't' failed: no such city\n"


async def test_a_program_that_does_not_look_at_a_failure_goes_on(caller: Caller) -> None:
    """K30: as with any command of bash; the message is on stderr, without a second line about it."""

    def fail(_: Json) -> None:
        raise ToolFailed("no such city")

    end = (await play(caller, "t '{}'\nx=$(t '{}')\necho after", tools("t"), lang="bash", tool=fail)).end
    assert (end["status"], end["stdout"], end["stderr"]) == ("completed", "after\n", "no such city\n" * 2)


@pytest.mark.parametrize(
    "argument", ["'{bad'", "'[1]'", "'{\"a\": NaN}'", "'{\"a\": 1e999}'", "'{}' more", "'\"text\"'"]
)
async def test_a_wrong_argument_is_told_at_once(caller: Caller, argument: str) -> None:
    """K30: an argument that is no JSON object fails without a round trip, with the reason."""
    played = await play(caller, f"t {argument}; echo $?", tools("t"), lang="bash")
    assert (played.calls, played.end["stdout"]) == ([], "1\n")
    assert played.end["stderr"].startswith("t: ")


async def test_a_large_result_passes_through_a_pipe(caller: Caller) -> None:
    """K30: a megabyte arrives whole, and a reader that stops early causes no error."""
    code = "t | wc -c; t | head -c 3; echo; t | tail -c 3"
    assert await output(caller, code, tools("t"), lang="bash", tool=lambda _: "x" * 10**6) == "1000001\nxxx\nxx\n"


# --- errors (K31) ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "code", "error"),
    [
        ("python", "import sys; print('before'); await echo(); sys.exit(3)", "Sandbox exited with code 3"),
        ("python", "print('before'); await echo(); raise ValueError('oh')", "Sandbox exited with code 1"),
        ("python", "print('before'); await echo(); import os; os.kill(os.getpid(), 9)", "Sandbox exited with code 137"),
        ("python", "print('before'\n", "Sandbox exited with code 1"),
        ("python", "print('before'); await echo()\nwhile True: pass", "Time limit exceeded"),
        ("bash", "echo before; echo_; python3 -c '[b\"x\" * 2**28 for _ in range(12)]'", "Out of memory"),
        ("bash", "echo before; echo_; yes", "stdout length exceeded"),
        ("bash", "echo before; echo_; yes >&2", "stderr length exceeded"),
        ("bash", "echo before; echo_; nosuchtool", "Sandbox exited with code 127"),
    ],
)
async def test_an_error_is_one_of_the_texts_that_clients_show(caller: Caller, lang: str, code: str, error: str) -> None:
    """K27, K31: a 200 with the text; the full reason is on stderr, the output before it is kept."""
    limit = 1000 if "Time" in error else 30_000
    end = (await play(caller, code, tools("echo" if lang == "python" else "echo_"), lang=lang, timeout=limit)).end
    assert (set(end), end["status"], end["error"]) == (REPLIES["error"], "error", error)
    assert end["stderr"] != ""
    assert end["stdout"].startswith("before\n") or "'before'\n" in code


async def test_librechat_is_shown_the_end_of_stdout_with_an_error(caller: Caller) -> None:
    """K31: LibreChat shows only stderr for an error, so it includes the end of stdout; other clients get it once."""
    body = {"code": "print('x' * 5000 + 'last words')\nraise ValueError('oh')", "tools": []}
    shown = (await caller.http.post(PATH, json=body, headers=LIBRECHAT)).json()["stderr"]
    assert shown.index("ValueError: oh") < shown.index("[sandbox] stdout until then:\n") < shown.index("last words")
    assert len(shown) < 4500
    assert "last words" not in (await caller.http.post(PATH, json=body)).json()["stderr"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "code"),
        ({"code": 3.5, "tools": {}}, "tools"),
        ({"code": "1", "lang": "js"}, "lang"),
        ({"code": "1", "language": "rust"}, "lang"),
        ({"code": "1", "timeout": "soon"}, "timeout"),
        ({"code": "1", "files": 3}, "files"),
        ({"continuation_token": {}}, "continuation_token"),
        ({"continuation_token": "a.b.c", "tool_results": 3}, "tool_results"),
        ({"continuation_token": "a.b.c", "tool_results": [{}]}, "tool_results"),
    ],
)
async def test_a_malformed_request_names_its_field(caller: Caller, body: Json, named: str) -> None:
    """K32, K42: 400, and nothing is run."""
    assert_error(await post(caller, body), 400, named)


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_two_hundred_calls_are_the_most(caller: Caller) -> None:
    """K28: the call after the last allowed one fails in the program, which may continue."""
    code = """
print(len(await asyncio.gather(*[echo(n=n) for n in range(200)])))
try:
    await echo()
except ToolExecutionError as error:
    print(error)
"""
    assert await output(caller, code) == "200\na run can make 200 tool calls at most\n"


async def test_large_arguments_and_results_have_limits(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """K28: 5 MB for each result; a larger one fails in the program, as does one over the limit of all together."""
    told = "try:\n    print(len((await echo({}))['x']))\nexcept ToolExecutionError as error:\n    print(error)\n"
    code = told.format("x='a' * 5_000_000") + told.format("x='a' * 5_300_000") + told.format("want=5_300_000")
    monkeypatch.setattr("librechat_code_interpreter.core.tool_pauses.RESULTS_BYTES", 5_500_000)
    printed = await output(
        caller,
        code + told.format("want=600_000"),
        tool=lambda given: given if "x" in given else {"x": "b" * given["want"]},
    )
    first, second, third, fourth = printed.splitlines()
    assert first == "5000000"
    assert "too large" in second
    assert "5242880" in third and "5500000" in fourth


async def test_all_arguments_together_have_a_limit(caller: Caller) -> None:
    """K28: a pause of many large calls stays within the service's limit."""
    code = """
text = 'a' * 5_000_000
results = await asyncio.gather(*[echo(x=text) for _ in range(9)], return_exceptions=True)
print(sum(isinstance(result, ToolExecutionError) for result in results))
"""
    assert await output(caller, code, tool=lambda _: None) == "1\n"


@pytest.mark.parametrize("levels", [90, 300, 900, 5000])
async def test_nesting_has_a_limit(caller: Caller, levels: int) -> None:
    """K28, K42: too deeply nested values are an error in the program, in both directions; never a 500."""
    code = "try: print((await echo(x=x))['x'] == x)\nexcept Exception as e: print(e)"
    printed = await output(caller, f"x = 1\nfor _ in range({levels}): x = [x]\n{code}")
    assert printed == "True\n" if levels == 90 else "nested" in printed or "recursion" in printed
    paused = await begin(caller, "try: print(len(str(await echo())))\nexcept Exception as e: print(e)")
    nested = "[" * levels + "]" * levels
    body = json.dumps({"continuation_token": paused["continuation_token"], "tool_results": "@"}).replace(
        '"@"', f'[{{"call_id": "call_001", "result": {nested}}}]'
    )
    answer = await caller.http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200 or (levels == 5000 and answer.status_code == 400), answer.text
    if levels == 90:
        assert answer.json()["stdout"] == "180\n"
    elif answer.status_code == 200:
        assert "nested" in answer.json()["stdout"]


async def test_only_so_many_programs_may_wait(serve: Serve) -> None:
    """K42: above MAX_PAUSED_RUNS a 429 with Retry-After; when one has ended there is capacity again."""
    async with serve(max_paused_runs=2) as service:
        caller = service.caller()
        first, _ = await asyncio.gather(begin(caller, "await echo()"), begin(caller, "await echo()"))
        refused = await post(caller, {"code": "await echo()", "tools": tools("echo")})
        assert_error(refused, 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 15
        assert (await caller.exec("print(1)"))["stdout"] == "1\n"
        assert (await resume(caller, first))["status"] == "completed"
        assert (await begin(caller, "await echo()"))["status"] == "tool_call_required"
