"""Files from one call in the next, carried by nothing but the clients' own bookkeeping."""

from __future__ import annotations

from tests.clients.client import Client, Conversation, Json, execute

WRITE = "import os; os.makedirs('data'); open('data/a.txt', 'w').write('one')"
CHANGE = "t = open('/mnt/data/data/a.txt').read(); open('data/a.txt', 'w').write(t + ' two'); print(t)"
READ = "print(open('data/a.txt').read())"


def refs(conversation: Conversation) -> list[list[str]]:
    """List the names of the files that the client referred to, one list for each request."""
    bodies = [request["json"] for request in conversation.sent if request["method"] == "POST"]
    return [[ref["name"] for ref in body.get("files", [])] for body in bodies]


def test_a_file_is_there_in_the_next_call(remembering_client: Client) -> None:
    """K15, K20: a file made in one call is read and changed in the next, and read changed in the third."""
    played = remembering_client.converse(*[[execute("py", code)] for code in (WRITE, CHANGE, READ)])
    assert [call.text.split("\n\n")[0] for [call] in played.turns[1:]] == ["stdout:\none", "stdout:\none two"]
    assert refs(played) == [[], ["data/a.txt"], ["data/a.txt"]]
    first, second = (turn[0].files["data/a.txt"] for turn in played.turns[:2])
    assert second["id"] != first["id"]


def test_a_file_is_there_when_the_model_names_the_session(model_driven_client: Client) -> None:
    """K20, K38: the client lists the session the model names, and sends what the listing says."""
    later = {"session_id": "$shown"}
    played = model_driven_client.converse(
        [execute("py", WRITE)], [execute("py", CHANGE, **later)], [execute("py", READ, **later)]
    )
    assert [call.text.split("\n\n")[0] for [call] in played.turns[1:]] == ["stdout:\none", "stdout:\none two"]
    paths = [request["path"].rpartition("/")[2] for request in played.sent]
    assert [path for path in paths if path != "exec"] == [
        f"{turn[0].artifact['session_id']}?detail=full" for turn in played.turns[:2]
    ]


def test_files_pass_between_languages(new_client: Client) -> None:
    """K15, K17: Python writes, JavaScript reads, bash reads: the language binds no implicit session."""
    played = new_client.converse(
        [execute("py", "open('n.txt', 'w').write('42')")],
        [execute("js", "console.log(require('fs').readFileSync('n.txt', 'utf8'))")],
        [("bash_tool", {"command": "cat /mnt/data/n.txt"})],
    )
    assert [call.text for [call] in played.turns[1:]] == ["stdout:\n42"] * 2


def test_a_deleted_file_is_forgotten(new_client: Client) -> None:
    """K20: a file deleted by a program is reported so that the client never refers to it again."""
    played = new_client.converse(
        [execute("py", "open('gone.txt', 'w'); open('kept.txt', 'w').write('k')")],
        [("bash_tool", {"command": "rm gone.txt"})],
        [execute("py", "import os; print(sorted(os.listdir()))")],
    )
    assert played.turns[1][0].artifact["deleted_files"] == ["gone.txt"]
    assert list(played.remembered) == ["kept.txt"]
    assert played.last.text == "stdout:\n['kept.txt']"


def test_calls_in_parallel_keep_each_their_file(remembering_client: Client) -> None:
    """K15, K20: two calls of one model message run at once; the files of both are there afterwards."""
    played = remembering_client.converse(
        [execute("py", f"open('{name}.txt', 'w').write('{name}')") for name in "ab"],
        [execute("py", "print(open('a.txt').read() + open('b.txt').read())")],
    )
    assert played.last.text == "stdout:\nab"


def test_an_unchanged_input_is_no_output(remembering_client: Client) -> None:
    """K20: reading a file does not make it new: to the client it stays the file it was."""
    played = remembering_client.converse([execute("py", WRITE)], [execute("py", READ)])
    before = played.turns[0][0].files["data/a.txt"]
    assert played.remembered["data/a.txt"]["id"] == before["id"]
    assert "Generated files" not in played.last.text


def test_arguments_a_model_makes_up_do_no_harm(new_client: Client) -> None:
    """K3, K16: this client sends on what a model invents, a session id or any other key."""
    made_up: Json = {"session_id": "no-such-session", "description": "adds", "runtime_session_hint": "x"}
    played = new_client.converse([execute("py", "print(1)", **made_up)], [execute("py", "print(2)", session_id="")])
    assert [call.text for [call] in played.turns] == ["stdout:\n1", "stdout:\n2"]
    assert played.sent[0]["json"]["session_id"] == "no-such-session"


def test_a_session_hint_keeps_the_workspace(new_client: Client) -> None:
    """Design, POST /exec step 2: conversations of one user with one hint find each other's files."""
    params = {"statefulSessions": True, "runtimeSessionHint": "v1:conversation:7", "user_id": "user-1"}
    new_client.converse([execute("py", "open('warm.txt', 'w').write('still here')")], params=params)
    later = new_client.converse([execute("py", "print(open('warm.txt').read())")], params=params)
    assert later.last.text == "stdout:\nstill here"
    assert later.sent[0]["json"]["runtime_session_hint"] == "v1:conversation:7"


def test_code_without_tools_goes_on_in_a_session_of_another_language(new_client: Client) -> None:
    """K17 as this client needs it: run_tools_with_code without tools names the last session to POST /exec.

    The client does so, not the model or the user: with a 409 the model is told "Code execution is temporarily
    unavailable" about a program that is quite all right.
    """
    played = new_client.converse(
        [execute("js", "require('fs').writeFileSync('a.txt', 'from js')")],
        [("run_tools_with_code", {"code": "print(open('a.txt').read())", "tool_manifest": []})],
    )
    second = played.sent[1]["json"]
    assert (second["lang"], second["session_id"]) == ("py", played.turns[0][0].artifact["session_id"])
    assert played.last.text == "stdout:\nfrom js"
