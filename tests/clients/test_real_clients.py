"""LibreChat's own clients, old and new, run programs through the service."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.clients.client import Client, execute
from tests.languages import ARGUMENTS, DOES_NOT_COMPILE, HELLO, SHOW_ARGUMENTS, SHOWN

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def test_python_javascript_and_typescript_print(client: Client) -> None:
    """K14, K17, K19: what a program prints reaches the model, in each language, in one conversation."""
    typed = "enum Color { Red = 40 }\nconst more: number = 2;\nconsole.log(Color.Red + more);"
    played = client.converse(
        [execute("py", "print(6 * 7)")], [execute("js", "console.log(6 * 7)")], [execute("ts", typed)]
    )
    assert [call.text for [call] in played.turns] == ["stdout:\n42"] * 3


def test_arguments_and_leading_blanks_arrive(client: Client) -> None:
    """K14, K18: `args` reach the program as they are, and the start of stdout is not trimmed."""
    code = "import sys; print('  ' + '|'.join(sys.argv[1:]))"
    played = client.converse([execute("py", code, args=["a b", "ü", "$HOME"])])
    assert played.last.text == "stdout:\n  a b|ü|$HOME"


def test_all_thirteen_languages(new_client: Client) -> None:
    """K14, K18: in each, as a model asks for it: a greeting, a compiler's complaint, and arguments as they are."""
    played = new_client.converse(
        [execute(lang, HELLO[lang]) for lang in HELLO],
        [execute(lang, DOES_NOT_COMPILE[lang][0]) for lang in HELLO],
        [execute(lang, SHOW_ARGUMENTS[lang], args=ARGUMENTS) for lang in HELLO],
    )
    hello, broken, shown = ([call.text for call in turn] for turn in played.turns)
    assert hello == ["stdout:\nhello"] * len(HELLO)
    assert [
        lang for lang, text in zip(HELLO, broken, strict=True) if DOES_NOT_COMPILE[lang][1].strip() not in text
    ] == []
    assert shown == [f"stdout:\n{SHOWN.rstrip()}"] * len(HELLO)


def test_bash_runs(remembering_client: Client) -> None:
    """K14, K22: execute_code takes bash, and finds python3 and jq there."""
    code = """echo '{"a": 42}' | jq .a; python3 -c 'print(6*7)'"""
    assert remembering_client.converse([execute("bash", code)]).last.text == "stdout:\n42\n42"


def test_bash_tool_runs_with_arguments(new_client: Client) -> None:
    """K13, K14: bash_tool takes positional arguments, and works in the directory the model is told of."""
    played = new_client.converse([("bash_tool", {"command": 'pwd; printf "%s\\n" "$@"', "args": ["a b", "c"]})])
    assert played.last.text == "stdout:\n/mnt/data\na b\nc"


def test_an_exception_reaches_the_model(client: Client) -> None:
    """K18, K22: a traceback comes on stderr, with the user's line number, after what was printed."""
    played = client.converse([execute("py", "print('before', flush=True)\n\nraise ValueError('told you')")])
    assert played.last.status == "success"
    assert played.last.text.startswith("stdout:\nbefore\n")
    assert "stderr:\nTraceback (most recent call last):" in played.last.text
    assert "line 3" in played.last.text
    assert played.last.text.endswith("ValueError: told you")


def test_a_program_that_never_ends_is_stopped(client: Client) -> None:
    """K18: past its `timeout` a program is ended; the model sees why, and what was printed until then."""
    code = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(1)"
    played = client.converse([execute("py", code)], params={"timeout": 1500})
    assert played.last.status == "success"
    assert played.last.text.startswith("stdout:\nbegun\n")
    assert "Time limit exceeded" in played.last.text


def test_an_image_is_delivered(client: Client) -> None:
    """K20, K22, K40: a plot is an output, and LibreChat fetches its bytes the moment the call returns."""
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('plots.png')"
    artifact = client.converse([execute("py", code)]).last.artifact
    [plot] = artifact["files"]
    assert plot["name"] == "plots.png"
    sid = artifact["session_id"] if client.generation == "old" else plot["storage_session_id"]
    downloaded = client.server("downloadBuffer", sid=sid, fid=plot["id"], kind="user", id="user-1")
    assert downloaded.content.startswith(PNG_MAGIC)


def test_a_wrong_key_is_told_to_the_model(client: Client) -> None:
    """K5, K6: a wrong key is a 401, which each client words in its own way."""
    wrong = replace(client, api_key="wrong-key")
    if client.generation == "new":
        wrong = replace(client, base_url=re.sub("x:[^@]+@", "x:wrong-key@", client.base_url))
    refused = wrong.converse([execute("py", "print(1)")]).last.text
    assert "status: 401" in refused or "not authorized" in refused


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_the_base_url_may_end_as_it_likes(client: Client, tail: str) -> None:
    """K1, K2: with /v1 or without, with a slash at the end or without, every route answers, unredirected."""
    other = replace(client, base_url=client.base_url.removesuffix("/v1") + tail)
    assert other.converse([execute("py", "print(1)")]).last.text == "stdout:\n1"
    missing = other.server("listing", sid="A" * 21, detail="summary")
    assert missing.status == 404
    assert "error" in missing.error


def test_the_default_profile_is_served_and_another_is_not(new_client: Client) -> None:
    """K4: `default` runs; `stateful` is refused in a way that the client explains to the model."""
    call = [execute("py", "print(1)")]
    assert new_client.converse(call, params={"executionProfile": "default"}).last.text == "stdout:\n1"
    refused = new_client.converse(call, params={"executionProfile": "stateful"}).last
    assert refused.status == "error"
    assert "does not provide the requested execution profile" in refused.text


def test_files_left_out_are_told(new_client: Client) -> None:
    """K21: what is over the limit of files is counted so that the client warns the model."""
    code = "for i in range(60): open(f'{i:02}.txt', 'w').write('x')"
    played = new_client.converse([execute("py", code)])
    assert "Artifact delivery warning: 10 of 60 generated files" in played.last.text
    assert len(played.last.files) == 50
