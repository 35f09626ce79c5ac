"""LibreChat's own clients let programs call their tools, as ToolNode drives them (K27-K33)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.clients.client import Call, Client, Conversation, Json, Outcome
from tests.clients.conftest import client_of
from tests.clients.test_client_stop import running, wait_until
from tests.service import LiveService

WEATHER: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
}
TOOLS: list[Json] = [
    {
        "name": "get-weather",
        "does": "echo",
        "description": "Tell the weather.",
        "schema": WEATHER,
        "viaLangChain": True,
    },
    {"name": "mcp.search docs", "does": "blocks", "mcp": True},
    {"name": "2nd_opinion", "does": "text"},
    {"name": "class", "does": "nested"},
    {"name": "time", "does": "nested"},
    {"name": "fail", "does": "fail"},
    {"name": "megabyte", "does": "megabyte"},
    {"name": "slow", "does": "echo", "ms": 1300},
    {"name": "parrot", "does": "echo"},
]
PYTHON: dict[str, str] = {
    "a langchain tool": "print((await get_weather(city='Rome'))['city'])",
    "what a schema forbids": (
        "try:\n    await get_weather(town='Rome')\nexcept ToolExecutionError as error:\n    print(error)"
    ),
    "mcp content": "print((await mcpsearch_docs(query='x'))['from'])",
    "a leading digit": "print(await _2nd_opinion(on='this', of='that'))",
    "a keyword": "print((await class_tool())['rows'][0]['of']['deep'], (await class_tool())['total'])",
    "a failure": "try:\n    await fail()\nexcept ToolExecutionError as error:\n    print('caught', error)",
    "an uncaught failure": "print('before')\nawait fail()",
    "a megabyte": "text = await megabyte()\nprint(len(text), set(text), len((await parrot(back=text))['back']))",
    "fifteen rounds": "total = 0\nfor n in range(15):\n    total += (await parrot(n=n))['n']\nprint(total)",
    "fifty at once": "print(sum(r['n'] for r in await asyncio.gather(*[parrot(n=n) for n in range(50)])))",
    "effects": (
        "for n in range(10):\n    open('effects.txt', 'a').write(f'{n} ')\n    await parrot(n=n)\n"
        "print(open('effects.txt').read())"
    ),
    "its files later": "print(open('effects.txt').read(), (await parrot(n=1))['n'])",
    "a slow tool": "print((await slow(n=1))['n'])",
    "the time limit": "print('so far')\nawait parrot()\nwhile True: pass",
}  # fmt: skip
BASH: dict[str, str] = {
    "a substitution": "x=$(get_weather '{\"city\": \"Rome\"}'); echo \"$x\" | jq -r .city",
    "a pipe": "class '{}' | jq -c '.rows[0].tags'",
    "strict mode": "set -euo pipefail\nget_weather '{\"city\": \"Rome\"}' | jq -r .city\necho end",
    "strict mode, failing": "set -euo pipefail\necho before\nfail '{}'\necho never",
    "a failure": "fail '{}' || echo \"status $?\"",
    "jobs": (
        "for n in 1 2 3; do { r=$(get_weather '{\"city\": \"x\"}'); } & done\n"
        "for n in 4 5 6; do mcp_search_docs '{}' > $n.json & done\nwait\ncat 4.json"
    ),
    "names": "_2nd_opinion '{\"on\": \"this\"}'; time_tool '{}' | jq -c .total; mcp_search_docs '{}'",
    "a megabyte": "megabyte | wc -c; x=$(megabyte); echo ${#x}",
    "fifteen rounds": (
        "for n in $(seq 15); do get_weather \"{\\\"city\\\": \\\"$n\\\"}\" | jq -r .city; done"
        " | paste -sd+ | sed 's/^/sum /'"
    ),
    "a slow tool": "slow '{\"n\": 1}'",
    "its files later": "cat 5.json; get_weather '{\"city\": \"x\"}' > /dev/null",
}  # fmt: skip


@dataclass(frozen=True)
class Played:
    """What came of each program, and the whole conversation they were in."""

    outcomes: dict[str, Outcome]
    conversation: Conversation


def call_of(client: Client, tool: str, code: str, **more: object) -> Call:
    """Call a programmatic tool; late clients want the tools listed that a program uses."""
    manifest = {"tool_manifest": [tool["name"] for tool in TOOLS]} if client.generation == "new" else {}
    return tool, {"code": code, **manifest, **more}


def play(client: Client, tool: str, programs: dict[str, str]) -> Played:
    """Run the programs, one turn each, in one conversation; those about time with a limit of a second."""
    limited = ("a slow tool", "the time limit")
    turns = [
        [call_of(client, tool, code, **({"timeout": 1000} if name in limited else {}))]
        for name, code in programs.items()
    ]
    conversation = client.converse(*turns, agentTools=TOOLS)
    return Played({name: turn[0] for name, turn in zip(programs, conversation.turns, strict=True)}, conversation)


@pytest.fixture(scope="module", params=["3.0.50", "3.1.63", "3.9.2"])
def python(request: pytest.FixtureRequest, live_service: LiveService) -> Iterator[tuple[Client, Played]]:
    """Run every Python program with one client."""
    client = client_of(request.param, live_service)
    yield client, play(client, "run_tools_with_code", PYTHON)


@pytest.fixture(scope="module")
def bash(live_service: LiveService) -> Played:
    """Run every bash program with the client that has the tool for it."""
    return play(client_of("3.9.2", live_service), "run_tools_with_bash", BASH)


def test_python_programs_get_what_the_tools_give(python: tuple[Client, Played]) -> None:
    """K28, K29: JSON, strings, MCP content, a megabyte; names of all kinds; loops; fifty calls at once."""
    shown = {name: outcome.text.partition("\n\n")[0] for name, outcome in python[1].outcomes.items()}
    assert shown["a langchain tool"] == "stdout:\nRome"
    assert shown["mcp content"] == "stdout:\nmcp"
    assert shown["a leading digit"] == "stdout:\ngot this,that"
    assert shown["a keyword"] == "stdout:\n{'er': True} 1.5"
    assert shown["a megabyte"] == "stdout:\n1000000 {'x'} 1000000"
    assert shown["fifteen rounds"] == "stdout:\n105"
    assert shown["fifty at once"] == "stdout:\n1225"


def test_python_programs_meet_failures_as_their_own(python: tuple[Client, Played]) -> None:
    """K29, K31: ToolExecutionError, also for what a schema forbids; uncaught, its traceback reaches the model."""
    _, played = python
    assert played.outcomes["a failure"].text.startswith("stdout:\ncaught no such city")
    assert "did not match expected schema" in played.outcomes["what a schema forbids"].text
    assert {"name": "get-weather", "input": {"town": "Rome"}} not in played.conversation.called
    uncaught = played.outcomes["an uncaught failure"].text
    for words in ("exited with code 1", "line 2", "ToolExecutionError: no such city", "before"):
        assert words in uncaught


def test_a_tools_time_is_not_the_programs(python: tuple[Client, Played]) -> None:
    """K31, K32: with a limit of a second, a tool of 1.3 s is waited for; a program that computes is ended."""
    _, played = python
    assert played.outcomes["a slow tool"].text.startswith("stdout:\n1")
    ended = played.outcomes["the time limit"].text
    assert "ime limit exceeded" in ended and "so far" in ended


def test_every_effect_happens_once(python: tuple[Client, Played]) -> None:
    """K28: ten rounds, ten lines, ten calls of the tool; and as many requests as there were rounds."""
    _, played = python
    assert played.outcomes["effects"].text.startswith("stdout:\n0 1 2 3 4 5 6 7 8 9")
    calls = [
        call["input"]["n"] for call in played.conversation.called if call["name"] == "parrot" and "n" in call["input"]
    ]
    assert calls[15 + 50 : 15 + 50 + 10] == list(range(10))
    requests = sum(request["path"].endswith("/exec/programmatic") for request in played.conversation.sent)
    assert requests < len(PYTHON) + len(played.conversation.called) - 45, "fifty calls at once are one round"


def test_files_of_a_program_are_remembered(python: tuple[Client, Played]) -> None:
    """K20, K27: what it left is in the artifact, and in the workspace of the conversation's next program."""
    client, played = python
    assert [file["name"] for file in played.outcomes["effects"].artifact["files"]] == ["effects.txt"]
    if remembers(client):
        assert "effects.txt" in played.conversation.remembered
        assert played.outcomes["its files later"].text.startswith("stdout:\n0 1 2 3 4 5 6 7 8 9  1")


def remembers(client: Client) -> bool:
    """Return whether a client's ToolNode hands files on; before 3.0.77 the model handed the session id on."""
    return client.version != "3.0.50"


def test_bash_programs_get_what_the_tools_give(bash: Played) -> None:
    """K30: in substitutions, pipes, jobs, strict mode; with the client's own prefix; names of all kinds."""
    shown = {name: outcome.text.partition("\n\n")[0] for name, outcome in bash.outcomes.items()}
    assert shown["a substitution"] == "stdout:\nRome"
    assert shown["a pipe"] == 'stdout:\n["a",null]'
    assert shown["strict mode"] == "stdout:\nRome\nend"
    assert shown["names"] == 'stdout:\ngot this\n1.5\n{"from":"mcp"}'
    assert shown["a megabyte"] == "stdout:\n1000001\n1000000"
    assert shown["fifteen rounds"] == "stdout:\nsum " + "+".join(str(n) for n in range(1, 16))
    assert shown["jobs"].startswith('stdout:\n{"from":"mcp"}')
    assert shown["a slow tool"] == 'stdout:\n{"n":1}'
    assert shown["its files later"].startswith('stdout:\n{"from":"mcp"}')


def test_bash_programs_meet_failures_as_their_own(bash: Played) -> None:
    """K30, K31: exit code 1 and the message on stderr."""
    assert bash.outcomes["a failure"].text.startswith("stdout:\nstatus 1\n")
    assert "stderr:\nno such city" in bash.outcomes["a failure"].text
    ended = bash.outcomes["strict mode, failing"].text
    assert "exited with code 1" in ended and "no such city" in ended and "before" in ended and "never" not in ended


def test_stop_ends_a_program_between_its_calls(new_client: Client) -> None:
    """K26, K33: when the user presses stop, the client cancels its request, and what the program started is ended."""
    seconds = f"60.{secrets.randbelow(10**9):09}"
    code = f"await parrot(n=1)\nimport subprocess\nsubprocess.run(['sleep', '{seconds}'])"
    with ThreadPoolExecutor() as pool:
        call = [call_of(new_client, "run_tools_with_code", code)]
        stopped = pool.submit(new_client.converse, call, agentTools=TOOLS, abortAfterMs=4000)
        wait_until(lambda: running(f"sleep {seconds}"))
        conversation = stopped.result()
    assert conversation.last.status == "error"
    assert [request["path"].rpartition("/")[2] for request in conversation.sent][-1] == "cancel"
    wait_until(lambda: not running(f"sleep {seconds}"))
