"""LibreChat's read_file, create_file, edit_file and image helpers: all of them are bash on POST /exec."""

from __future__ import annotations

import base64
import json
from textwrap import dedent

from tests.clients.client import Client, Json, execute


def bash(client: Client, code: str, artifact: Json | None = None) -> Json:
    """Run a helper's bash in the session of an earlier artifact, with its files, as LibreChat does."""
    known = {"session_id": artifact["session_id"], "files": refs(artifact)} if artifact else {}
    answer: Json = client.server("exec", body={"lang": "bash", "code": code, **known}).value
    return answer


def refs(artifact: Json) -> list[Json]:
    """Make of an artifact's files what the client's ToolNode makes of them."""
    return [
        {
            "id": file["id"],
            "resource_id": file["id"],
            "name": file["name"],
            "storage_session_id": file["storage_session_id"],
            "kind": "user",
        }
        for file in artifact.get("files", [])
    ]


def heredoc(program: str, payload: Json) -> str:
    """Wrap a Python program for bash; its input travels as base64 so that no quoting can spoil it."""
    encoded = base64.b64encode(json.dumps(payload).encode()).decode()
    head = f'import base64, json, os\njob = json.loads(base64.b64decode("{encoded}"))\n'
    return f"python3 - <<'PY'\n{head}{dedent(program)}\nPY"


def writer(path: str, content: str) -> str:
    """Write the program that create_file and edit_file send."""
    program = """
        os.makedirs(os.path.dirname(job["path"]), exist_ok=True)
        with open(job["path"], "wb") as file:
            print("WROTE", file.write(base64.b64decode(job["content"])))
    """
    return heredoc(program, {"path": path, "content": base64.b64encode(content.encode()).decode()})


def window(path: str, offset: int, size: int) -> str:
    """Write the program that reads a part of an image as base64 in one line of JSON."""
    program = """
        with open(job["path"], "rb") as file:
            file.seek(job["offset"])
            part = file.read(job["size"])
        total = os.stat(job["path"]).st_size
        print(json.dumps({"total": total, "n": len(part), "b64": base64.b64encode(part).decode()}))
    """
    return heredoc(program, {"path": path, "offset": offset, "size": size})


def test_read_file_finds_what_python_made(new_client: Client) -> None:
    """K17, K20: bash is not refused in a session that ran Python, and `cat` gives the file as it is."""
    made = new_client.converse([execute("py", "open('a b.txt', 'w').write('  one\\ntwo')")]).last.artifact
    answer = bash(new_client, "cat '/mnt/data/a b.txt'", made)
    assert (answer["stdout"], answer["stderr"]) == ("  one\ntwo", "")


def test_read_file_of_nothing_says_so_in_english(new_client: Client) -> None:
    """K18, K22: create_file tells "not there yet" from a failure by this very message on stderr."""
    answer = bash(new_client, "cat '/mnt/data/none.txt'")
    assert answer["stdout"] == ""
    assert "No such file or directory" in answer["stderr"]


def test_create_file_makes_an_output(new_client: Client) -> None:
    """K20, K24: a new file, in a new directory, comes back as an output, and the next run finds it."""
    made = bash(new_client, writer("/mnt/data/notes/ü.md", "häh\n"))
    assert (made["stdout"], made["stderr"]) == ("WROTE 5\n", "")
    assert [file["name"] for file in made["files"]] == ["notes/ü.md"]
    assert bash(new_client, "cat notes/ü.md", made)["stdout"] == "häh\n"


def test_a_large_file_is_read_whole(new_client: Client) -> None:
    """K23, K24: edit_file writes back what `cat` showed it, so nearly ten megabytes come out uncut, in time."""
    code = "open('large.txt', 'w').write('0123456789abcde\\n' * (639 * 1024))"
    made = new_client.converse([execute("py", code)]).last.artifact
    assert bash(new_client, "cat /mnt/data/large.txt", made)["stdout"] == "0123456789abcde\n" * (639 * 1024)


def test_a_large_file_is_written_whole(new_client: Client) -> None:
    """K24: a file of two megabytes, which is four in the code that carries it, is written as it is.

    More is not for this test: Python takes more than a second a megabyte to read such a program from its stdin.
    """
    content = "0123456789abcde\n" * (128 * 1024)
    made = bash(new_client, writer("/mnt/data/large.txt", content))
    assert bash(new_client, "cat /mnt/data/large.txt", made)["stdout"] == content


def test_an_image_is_read_in_windows(new_client: Client) -> None:
    """K23, section 8: consecutive calls, each with one line of JSON, put the image together again."""
    code = "import os; open('i.png', 'wb').write(os.urandom(100_000))"
    artifact = new_client.converse([execute("py", code)]).last.artifact
    windows = [window("/mnt/data/i.png", offset, 45_000) for offset in range(0, 100_000, 45_000)]
    parts = [json.loads(bash(new_client, code, artifact)["stdout"].splitlines()[-1]) for code in windows]
    [file] = artifact["files"]
    place: Json = {"sid": file["storage_session_id"], "fid": file["id"], "kind": "user", "id": "user-1"}
    image = new_client.server("downloadBuffer", **place)
    assert b"".join(base64.b64decode(part["b64"]) for part in parts) == image.content


def test_a_prewarm_is_silent(new_client: Client) -> None:
    """K25: LibreChat warms a session up with `true`; nothing comes of it."""
    body = {"lang": "bash", "code": "true", "runtime_session_hint": "v1:conversation:warm"}
    answer = new_client.server("exec", body=body).value
    assert (answer["stdout"], answer["stderr"], answer["files"]) == ("", "", [])
