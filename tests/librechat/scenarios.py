"""What a user of LibreChat does with files and programs, and what must come of it: nothing is lost.

Each scenario gets a conversation of its own and raises `Lost` when its user does not get what its docstring claims.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from tests.librechat.server import Call, Chat, Json, Reply, Server

ID = re.compile(r"[A-Za-z0-9_-]{21}")
LONG_SECONDS = 7  # longer than the five that a liveness probe leaves on its socket
LARGE_BYTES = 22 * 1024 * 1024  # more than the service takes as an upload
OLD_HOURS = 24
PROBING_USER = "0" * 24
SHOWN_CHARS = 300


class Lost(Exception):
    """A user did not get what the scenario claims."""


@dataclass(frozen=True)
class Scenario:
    """A claim, and how it is tried."""

    name: str
    claim: str
    run: Callable[[Chat], None]
    applies: Callable[[Server], bool]


SCENARIOS: list[Scenario] = []


def scenario(
    name: str, applies: Callable[[Server], bool] = lambda _: True
) -> Callable[[Callable[[Chat], None]], Callable[[Chat], None]]:
    """Put a function into the list; `applies` tells the releases that have what it needs."""

    def register(run: Callable[[Chat], None]) -> Callable[[Chat], None]:
        SCENARIOS.append(Scenario(name, (run.__doc__ or "").strip(), run, applies))
        return run

    return register


def offers(*tools: str) -> Callable[[Server], bool]:
    """Whether the model is offered all of these tools."""
    return lambda server: set(tools) <= set(server.tools)


def has_bash_tool(server: Server) -> bool:
    """Whether the release is of v0.8.6 or later: programs are bash, files have kinds."""
    return "bash_tool" in server.tools


def serves_stateful(server: Server) -> bool:
    """Whether the release can ask for stateful sessions, and the service serves them to it."""
    if not server.has("packages/data-provider/src/config.ts", "stateful_code_sessions"):
        return False
    if not server.has("packages/api/src/agents/execution.ts"):
        return True  # it sends hints alone
    refusal = int(HTTPStatus.CONFLICT)
    return bool(server.ask("profile", user=PROBING_USER, profile="stateful") != refusal)


def python(code: str) -> Call:
    """Make a call of the code tool; a model that was told a session id goes on with it."""
    return {"python": code, "keepSession": True}


def tool(name: str, path: str = "", **arguments: object) -> Call:
    """Make a call of another tool; releases differ in what they call a path."""
    paths = {"path": path, "file_path": path} if path else {}
    return {"tool": name, **paths, **arguments}


def expect(condition: bool, says: str) -> None:
    """Raise Lost unless the condition holds."""
    if not condition:
        raise Lost(says)


def expect_shown(reply: Reply, wanted: str, says: str) -> None:
    """Expect the model to see `wanted` in the turn's results."""
    expect(wanted in reply.text, f"{says}; the model saw: {reply.text[-SHOWN_CHARS:] or 'nothing'}")


def read(name: str) -> Call:
    """Print a file between marks."""
    return python(f"print('<' + open('/mnt/data/{name}', encoding='utf-8').read() + '>')")


def write(name: str, text: str) -> Call:
    """Write a file, with its directories."""
    path = f"/mnt/data/{name}"
    return python(
        f"import os; os.makedirs(os.path.dirname({path!r}), exist_ok=True); open({path!r}, 'w').write({text!r})"
    )


def png(width: int, height: int) -> bytes:
    """Draw a grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x7f" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def draw(name: str) -> Call:
    """Leave a picture."""
    encoded = base64.b64encode(png(48, 32)).decode()
    path = f"/mnt/data/{name}"
    make = f"import base64, os; os.makedirs(os.path.dirname({path!r}), exist_ok=True)"
    return python(f"{make}; open({path!r}, 'wb').write(base64.b64decode('{encoded}'))")


def attachment(reply: Reply, name: str) -> Json:
    """Find a file among what the reply shows the user."""
    for file in reply.attachments:
        if file["filename"] == name:
            return file
    raise Lost(f"the user is not shown {name}, but {[file['filename'] for file in reply.attachments]}")


@scenario("upload")
def upload(chat: Chat) -> None:
    """A file attached to a message is there for its program."""
    file = chat.upload("data.csv", "a,b\n1,2\n")
    expect_shown(chat.say(read("data.csv"), files=[file]), "<a,b\n1,2\n>", "the attached file is not there")


@scenario("upload: name with umlaut, space and quote")
def upload_with_odd_name(chat: Chat) -> None:
    """A file is there under the name that LibreChat tells the model."""
    file = chat.upload("übung 1 'x'.csv", "ü")
    name = file["filename"].replace("'", "\\'")
    expect_shown(chat.say(read(name), files=[file]), "<ü>", f"the attached file is not there as {file['filename']}")


@scenario("upload: two files of one message")
def upload_twice(chat: Chat) -> None:
    """Two files of one message are both there."""
    files = [chat.upload("a.txt", "A"), chat.upload("b.txt", "B")]
    reply = chat.say(read("a.txt"), read("b.txt"), files=files)
    expect_shown(reply, "<A>", "the first file is not there")
    expect_shown(reply, "<B>", "the second file is not there")


@scenario("prime: next message")
def upload_in_next_message(chat: Chat) -> None:
    """An attached file is still there in the next message."""
    file = chat.upload("data.csv", "old")
    chat.say(read("data.csv"), files=[file])
    expect_shown(chat.say(read("data.csv")), "<old>", "the file of the first message is not there in the second")


@scenario("liveness: no second upload")
def alive(chat: Chat) -> None:
    """A file that is there is not uploaded again with the next message."""
    file = chat.upload("data.csv", "old")
    chat.say(read("data.csv"), files=[file])
    sent = chat.say(read("data.csv")).sent
    expect("POST /upload" not in sent, f"it is uploaded again: {sent}")
    modified = chat.ask("lastModified", id=file["id"])
    if modified is not None:
        age = datetime.now(UTC) - datetime.fromisoformat(modified)
        expect(age < timedelta(hours=1), f"a file just used looks {age} old")


@scenario("re-upload: the object is gone")
def gone(chat: Chat) -> None:
    """A file whose object is gone is uploaded again, and the program of that very message has it."""
    _remove(chat, file := chat.upload("data.csv", "kept"))
    expect_shown(
        chat.say(read("data.csv"), files=[file]), "<kept>", "the file is not there after its object was deleted"
    )


@scenario("re-upload: the message after")
def gone_later(chat: Chat) -> None:
    """A file whose object was gone is there in the message after the one that uploaded it again."""
    _remove(chat, file := chat.upload("data.csv", "kept"))
    chat.say(read("data.csv"), files=[file])
    expect_shown(chat.say(read("data.csv")), "<kept>", "the file is not there in the message after")


@scenario("re-upload: looks 24 h old", applies=lambda server: not server.credential.is_token)
def looks_old(chat: Chat) -> None:
    """A file that LibreChat takes to be over 23 hours old is there, whatever LibreChat does about it."""
    file = chat.upload("data.csv", "aged")
    chat.say(read("data.csv"), files=[file])
    chat.ask("clock", hours=OLD_HOURS)
    try:
        expect_shown(chat.say(read("data.csv")), "<aged>", "the file is not there a day later")
    finally:
        chat.ask("clock", hours=0)


@scenario("outputs: next call")
def output_in_next_call(chat: Chat) -> None:
    """A file that a program made is there for the next program of the same message."""
    expect_shown(
        chat.say(write("made.csv", "made"), read("made.csv")), "<made>", "the next call does not find the file"
    )


@scenario("outputs: next message")
def output_in_next_message(chat: Chat) -> None:
    """A file that a program made is there in the next message."""
    chat.say(write("made.csv", "made"))
    expect_shown(chat.say(read("made.csv")), "<made>", "the next message does not find the file")


@scenario("outputs: image")
def image(chat: Chat) -> None:
    """A picture that a program made reaches the user, and LibreChat keeps it."""
    got = chat.fetch(attachment(chat.say(draw("plot.png")), "plot.png"))
    expect(got.content.startswith(b"\x89PNG"), "what reaches the user is no picture")
    expect(got.kept, "LibreChat keeps only a link, which dies with the session")


@scenario("outputs: csv")
def table(chat: Chat) -> None:
    """A table that a program made reaches the user."""
    got = chat.fetch(attachment(chat.say(write("table.csv", "a,b\n1,2\n")), "table.csv"))
    expect(got.content == b"a,b\n1,2\n", "the table reaches the user changed")


@scenario("outputs: csv is kept")
def table_kept(chat: Chat) -> None:
    """LibreChat keeps a table that a program made."""
    got = chat.fetch(attachment(chat.say(write("table.csv", "a,b\n1,2\n")), "table.csv"))
    expect(got.kept, "LibreChat keeps only a link, which dies with the session")


@scenario("outputs: nested names")
def nested(chat: Chat) -> None:
    """A file in a directory reaches the user under its whole name."""
    got = chat.fetch(attachment(chat.say(write("tables/one.csv", "nested")), "tables/one.csv"))
    expect(got.content == b"nested", "the nested file reaches the user changed")


@scenario("outputs: nested image")
def nested_image(chat: Chat) -> None:
    """A picture in a directory reaches the user under its whole name."""
    got = chat.fetch(attachment(chat.say(draw("plots/one.png")), "plots/one.png"))
    expect(got.content.startswith(b"\x89PNG"), "what reaches the user is no picture")


@scenario("outputs: nested, next message")
def nested_in_next_message(chat: Chat) -> None:
    """A file in a directory is there in the next message, at its place."""
    chat.say(write("tables/one.csv", "nested"))
    expect_shown(chat.say(read("tables/one.csv")), "<nested>", "the next message does not find the nested file")


@scenario("outputs: same name in two directories")
def same_name(chat: Chat) -> None:
    """Two files of one name in two directories both reach the user."""
    reply = chat.say([write("a/x.csv", "in a"), write("b/x.csv", "in b")])
    contents = {chat.fetch(file).content for file in reply.attachments}
    expect(contents == {b"in a", b"in b"}, f"the user gets {contents}")


@scenario("outputs: unknown type, next message")
def unknown_type(chat: Chat) -> None:
    """A file of a type that LibreChat does not know is there in the next message."""
    chat.say(write("model.bin", "weights"))
    expect_shown(chat.say(read("model.bin")), "<weights>", "the next message does not find the file")


@scenario("outputs: 22 MiB, next message")
def large(chat: Chat) -> None:
    """A file larger than an upload may be is there in the next message."""
    chat.say(python(f"open('/mnt/data/large.txt', 'w').write('0' * {LARGE_BYTES})"))
    reply = chat.say(python("import os; print(os.path.getsize('/mnt/data/large.txt'))"))
    expect_shown(reply, str(LARGE_BYTES), "the large file is not there in the next message")


@scenario("download")
def download(chat: Chat) -> None:
    """An output is downloaded by its session and id, with headers under which no browser runs it."""
    reply = chat.say(write("page.html", "<script>alert(1)</script>"))
    file = attachment(reply, "page.html")
    if "/api/files/code/download/" not in file["filepath"]:
        place = chat.ask("place", id=file["file_id"])
        file = {**file, "filepath": f"/api/files/code/download/{place['sid']}/{place['fid']}"}
    got = chat.fetch(file)
    ids = file["filepath"].split("/")[-2:]
    expect(all(ID.fullmatch(id_) for id_ in ids), f"LibreChat's download route refuses the ids {ids}")
    expect(got.content == b"<script>alert(1)</script>", "the download is changed")
    expect(got.headers.get("x-content-type-options") == "nosniff", "a browser may guess its type")
    expect(got.headers.get("content-disposition", "").startswith("attachment"), "a browser may show it")


@scenario("edit: attached file, next message")
def edit(chat: Chat) -> None:
    """A program changes an attached file; the next message has it as changed."""
    file = chat.upload("data.csv", "old")
    chat.say(write("data.csv", "edited"), files=[file])
    expect_shown(chat.say(read("data.csv")), "<edited>", "the edit is lost in the next message")


@scenario("edit: attached file, twice")
def edit_twice(chat: Chat) -> None:
    """A program changes an attached file in two messages; the third has it as changed last."""
    file = chat.upload("data.csv", "old")
    chat.say(write("data.csv", "first edit"), files=[file])
    chat.say(write("data.csv", "second edit"))
    expect_shown(chat.say(read("data.csv")), "<second edit>", "the second edit is lost in the third message")


@scenario("edit: within a message")
def edit_within(chat: Chat) -> None:
    """A program changes an attached file; the next program of the same message has it as changed."""
    file = chat.upload("data.csv", "old")
    reply = chat.say(write("data.csv", "edited"), read("data.csv"), files=[file])
    expect_shown(reply, "<edited>", "the edit is lost in the next call")


@scenario("edit: file that a program made")
def edit_output(chat: Chat) -> None:
    """A program changes a file that one of an earlier message made; the message after that has it as changed."""
    chat.say(write("made.csv", "made"))
    chat.say(write("made.csv", "edited"))
    expect_shown(chat.say(read("made.csv")), "<edited>", "the edit of a generated file is lost")


@scenario("edit: and shown to the user")
def edit_shown(chat: Chat) -> None:
    """A program changes an attached file; the user gets it as changed."""
    file = chat.upload("data.csv", "old")
    reply = chat.say(write("data.csv", "edited"), files=[file])
    got = chat.fetch(attachment(reply, "data.csv"))
    expect(got.content == b"edited", f"the user gets {got.content!r}")


@scenario("correct: the same name again")
def correct(chat: Chat) -> None:
    """A corrected file of the same name, attached to a later message, is the one that its program reads."""
    chat.say(read("data.csv"), files=[chat.upload("data.csv", "wrong")])
    reply = chat.say(read("data.csv"), files=[chat.upload("data.csv", "right")])
    expect_shown(reply, "<right>", "the program reads the file as it was before it was corrected")


@scenario("correct: the message after")
def correct_later(chat: Chat) -> None:
    """A corrected file of the same name is still the one that counts in the message after."""
    chat.say(read("data.csv"), files=[chat.upload("data.csv", "wrong")])
    chat.say(read("data.csv"), files=[chat.upload("data.csv", "right")])
    expect_shown(chat.say(read("data.csv")), "<right>", "the message after reads the file as it was before")


@scenario("correct: after an edit")
def correct_after_edit(chat: Chat) -> None:
    """A file that a program had changed, and the user then attaches anew, is the user's."""
    chat.say(write("data.csv", "edited"), files=[chat.upload("data.csv", "wrong")])
    reply = chat.say(read("data.csv"), files=[chat.upload("data.csv", "right")])
    expect_shown(reply, "<right>", "the program reads an older version than the one just attached")


@scenario("correct: then edit")
def edit_after_correct(chat: Chat) -> None:
    """A corrected file that a program then changes is there as changed in the message after."""
    chat.say(read("data.csv"), files=[chat.upload("data.csv", "wrong")])
    chat.say(write("data.csv", "edited"), files=[chat.upload("data.csv", "right")])
    expect_shown(chat.say(read("data.csv")), "<edited>", "the edit of the corrected file is lost")


@scenario("delete")
def delete(chat: Chat) -> None:
    """A file that its user deletes is deleted from the service, too."""
    file = chat.upload("data.csv", "secret")
    place = chat.ask("place", id=file["id"])
    expect(chat.ask("object", place=place) == HTTPStatus.OK, "the uploaded object is not there")
    chat.ask("delete", id=file["id"])
    expect(
        chat.ask("object", place=place) == HTTPStatus.NOT_FOUND,
        "the object outlives the file that the user deleted",
    )


@scenario("agent's file")
def agent_file(chat: Chat) -> None:
    """A file of the agent's is there in every conversation."""
    chat.upload("handbook.txt", "rules", of_agent=True)
    for conversation in (chat, chat.another()):
        expect_shown(conversation.say(read("handbook.txt")), "<rules>", "the agent's file is not there")


@scenario("agent's file: edits stay in their conversation")
def agent_file_edited(chat: Chat) -> None:
    """A program changes an agent's file; in another conversation it is as it was."""
    chat.upload("policy.txt", "rules", of_agent=True)
    chat.say(write("policy.txt", "changed"))
    reply = chat.another().say(read("policy.txt"))
    expect_shown(reply, "<rules>", "another conversation sees the change, or no file")


@scenario("agent's file: edit, next message")
def agent_file_edit_kept(chat: Chat) -> None:
    """A program changes an agent's file; the next message of that conversation has it as changed."""
    chat.upload("notes.txt", "empty", of_agent=True)
    chat.say(write("notes.txt", "filled"))
    expect_shown(chat.say(read("notes.txt")), "<filled>", "the edit of the agent's file is lost")


@scenario("conversations stay apart")
def apart(chat: Chat) -> None:
    """Files of one name in two conversations of a user are each conversation's own, attached or made."""
    other = chat.another()
    for conversation, text in ((chat, "one"), (other, "two")):
        conversation.say(read("data.csv"), files=[conversation.upload("data.csv", text)])
    expect_shown(chat.say(read("data.csv")), "<one>", "the first conversation does not have its file")
    expect_shown(other.say(read("data.csv")), "<two>", "the second conversation does not have its file")
    chat.say(write("made.txt", "one"))
    reply = other.say(python("import os; print('found', os.path.exists('/mnt/data/made.txt'))"))
    expect_shown(reply, "found False", "a file of one conversation shows in another")


@scenario("runs: five seconds and more, with a file attached")
def long_run(chat: Chat) -> None:
    """A program that takes longer than five seconds, after liveness probes of its files, reaches its end."""
    file = chat.upload("data.csv", "old")
    chat.say(read("data.csv"), files=[file])
    reply = chat.say(python(f"import time; time.sleep({LONG_SECONDS}); print('woke up')"))
    expect_shown(reply, "woke up", "the program does not reach its end")


@scenario("runs: two calls at once")
def parallel(chat: Chat) -> None:
    """Files of two programs that run at once are both there in the next call."""
    reply = chat.say([write("a.txt", "A"), write("b.txt", "B")], read("a.txt"), read("b.txt"))
    expect_shown(reply, "<A>", "the file of the first call is not there")
    expect_shown(reply, "<B>", "the file of the second call is not there")


@scenario("runs: an exception")
def exception(chat: Chat) -> None:
    """The model sees a program's output and its traceback."""
    reply = chat.say(python("print('before')\nraise ValueError('bad value')"))
    expect_shown(reply, "before", "the output before the exception is not shown")
    expect_shown(reply, "ValueError: bad value", "the traceback is not shown")


@scenario("skills: batch upload", applies=has_bash_tool)
def skill(chat: Chat) -> None:
    """The files of a skill that the model calls are there for its program, in their directories."""
    files = {"scripts/add.py": "print('added')", "data/rows.csv": "1,2"}
    encoded = {path: base64.b64encode(text.encode()).decode() for path, text in files.items()}
    chat.ask("skill", name="adder", files=encoded)
    find = {
        "bash": "cd /mnt/data && find . -name add.py -exec python3 {} \\; && find . -name rows.csv -exec cat {} \\;"
    }
    reply = chat.say(tool("skill", skillName="adder"), find)
    expect_shown(reply, "added", "the skill's program is not there")
    expect_shown(reply, "1,2", "the skill's data is not there")
    expect_shown(chat.say(find), "added", "the skill's program is not there in the next message")


@scenario("helpers: read_file", applies=offers("read_file", "bash_tool"))
def read_file(chat: Chat) -> None:
    """The model reads an attached file and one that a program made through read_file."""
    file = chat.upload("data.csv", "attached text")
    reply = chat.say(tool("read_file", "/mnt/data/data.csv"), files=[file])
    expect_shown(reply, "attached text", "read_file does not show the attached file")
    reply = chat.say(write("made.txt", "made text"), tool("read_file", "/mnt/data/made.txt"))
    expect_shown(reply, "made text", "read_file does not show what a program made")


@scenario("helpers: create_file", applies=offers("create_file"))
def create_file(chat: Chat) -> None:
    """A file that the model creates reaches the user, and is there in the next message."""
    reply = chat.say(tool("create_file", "/mnt/data/notes/ü.md", content="# häh\n"))
    got = chat.fetch(attachment(reply, "notes/ü.md"))
    expect(got.content.decode() == "# häh\n", f"the user gets {got.content!r}")
    expect_shown(chat.say(read("notes/ü.md")), "<# häh\n>", "the next message does not find the created file")


@scenario("helpers: create_file, next call", applies=offers("create_file"))
def create_file_and_run(chat: Chat) -> None:
    """A file that the model creates is there for the next program of the same message."""
    reply = chat.say(
        tool("create_file", "/mnt/data/run.py", content="print('ran')"), {"bash": "python3 /mnt/data/run.py"}
    )
    expect_shown(reply, "ran", "a program does not find the created file")


@scenario("helpers: edit_file", applies=offers("edit_file"))
def edit_file(chat: Chat) -> None:
    """A file that the model edits is there as edited for programs, in this message and the next."""
    file = chat.upload("data.txt", "one two\n")
    change = tool("edit_file", "/mnt/data/data.txt", old_text="two", new_text="three")
    reply = chat.say(change, read("data.txt"), files=[file])
    expect_shown(reply, "<one three\n>", "a program does not find the edit")
    expect_shown(chat.say(read("data.txt")), "<one three\n>", "the edit is lost in the next message")


@scenario("helpers: edit_file on a file that is not UTF-8", applies=offers("edit_file"))
def edit_file_latin(chat: Chat) -> None:
    """A file that is not UTF-8 is refused by edit_file rather than spoilt."""
    raw = "Größe two\n".encode("latin-1")
    file = chat.upload("latin.txt", raw)
    change = tool("edit_file", "/mnt/data/latin.txt", old_text="two", new_text="three")
    reply = chat.say(change, python("print(open('/mnt/data/latin.txt', 'rb').read().hex())"), files=[file])
    expect(raw.hex() in reply.text, f"the file was rewritten: {reply.text[:400]}")


@scenario(
    "helpers: read_file on a picture",
    applies=lambda server: server.has("api/server/services/Files/Code/process.js", "readSandboxImage"),
)
def read_picture(chat: Chat) -> None:
    """The model sees a picture that a program made."""
    reply = chat.say(draw("plot.png"), tool("read_file", "/mnt/data/plot.png"))
    expect(reply.images > 0, f"the model is shown no picture: {reply.text[-300:]}")


@scenario("stateful sessions", applies=lambda server: serves_stateful(server))
def stateful(chat: Chat) -> None:
    """With stateful sessions even what is no output, a hidden file, is there in the next message."""
    chat.is_stateful = True
    chat.say({"bash": "mkdir -p /mnt/data/.state && echo kept > /mnt/data/.state/note"})
    expect_shown(chat.say({"bash": "cat /mnt/data/.state/note"}), "kept", "the hidden file is gone in the next message")


@scenario("tokens: files are their user's", applies=lambda server: server.credential.is_token)
def tokens(chat: Chat) -> None:
    """With LibreChat's own tokens another user's request does not find a file."""
    file = chat.upload("data.csv", "mine")
    place = chat.ask("place", id=file["id"])
    expect(chat.ask("object", place=place) == HTTPStatus.OK, "its own user does not find it")
    stranger = Chat(chat.server)
    expect(stranger.ask("object", place=place) == HTTPStatus.NOT_FOUND, "another user finds it")


def _remove(chat: Chat, file: Json) -> None:
    place = chat.ask("place", id=file["id"])
    expect(chat.ask("object", method="delete", place=place) == HTTPStatus.OK, "the object could not be deleted")
