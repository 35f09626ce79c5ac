"""What every published client must be able to do with the service, each by the conventions of its generation.

An assertion's message is what was seen, since these run outside pytest, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.clients.client import Call, Client, CodeTool, Conversation, DriverProcesses, Json, Outcome, execute
from tests.clients.generations import Generation, Handover, generation_of
from tests.clients.uploading import USER, is_alive, uploaded
from tests.service import LiveService

KEY = "LIBRECHAT_CODE_API_KEY"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TABLE = "a,b\n1,2\n"
PARROT: Json = {"name": "parrot", "does": "echo", "description": "Give back what it gets."}
CODE_TOOL, BASH_TOOL = "execute_code", "bash_tool"
PYTHON_WITH_TOOLS, BASH_WITH_TOOLS = "run_tools_with_code", "run_tools_with_bash"


@dataclass(frozen=True)
class ClientUnderTest:
    """A published client, installed in `project`, with the tools that it offers to the model.

    `directory` is for files on LibreChat's disk.
    """

    client: Client
    generation: Generation
    project: Path
    service: LiveService
    directory: Path
    tools: dict[str, CodeTool]

    def converse(self, *calls: Call, **job: Any) -> Conversation:
        """Play one call per turn."""
        if self.generation.sends_key:  # LibreChat passes it as a parameter, so it is in the body, too (K3)
            job["params"] = {KEY: self.client.api_key, **job.get("params", {})}
        return self.client.converse(*([call] for call in calls), **job)

    def run_in_turn(self, *programs: str) -> list[Outcome]:
        """Run Python programs, each with the files of those before, by the client's own bookkeeping."""
        if self.generation.handover is Handover.LIBRECHAT:
            outcomes: list[Outcome] = []
            for program in programs:
                files = [self.output_ref(outcomes[-1], name) for name in outcomes[-1].files] if outcomes else []
                outcomes.append(self.converse(execute("py", program), **self.with_files(files)).last)
            return outcomes
        named = {"session_id": "$shown"} if self.generation.handover is Handover.MODEL else {}
        played = self.converse(*(execute("py", program, **named) for program in programs))
        return [outcome for [outcome] in played.turns]

    def with_files(self, files: list[Json]) -> Json:
        """Name files to the client as LibreChat does; from 3.1.70 on it seeds ToolNode's session with them."""
        if self.generation.sends_key:
            return {"params": {"files": files, "user_id": USER["id"]}}
        if not files:
            return {}
        session = files[0].get("storage_session_id", files[0].get("session_id"))
        return {"sessions": {CODE_TOOL: {"session_id": session, "files": files}}}

    def ref(self, sid: str, fid: str, name: str) -> Json:
        """Make of ids the ref that LibreChat keeps."""
        if self.generation.server == "old":
            return {"id": fid, "session_id": sid, "name": name}
        return {**USER, "id": fid, "resource_id": USER["id"], "storage_session_id": sid, "name": name}

    def output_ref(self, outcome: Outcome, name: str) -> Json:
        """Make the ref of an output; old releases read the run's session id, new ones the file's."""
        file = outcome.files[name]
        old = self.generation.server == "old"
        return self.ref(outcome.artifact["session_id"] if old else file["storage_session_id"], file["id"], name)

    def place(self, ref: Json) -> Json:
        """Name a file to LibreChat's server driver."""
        if self.generation.server == "old":
            return {"sid": ref["session_id"], "fid": ref["id"]}
        return {"sid": ref["storage_session_id"], "fid": ref["id"], **USER}

    def upload(self, name: str, content: str) -> Json:
        """Upload a file as LibreChat does, and return its ref."""
        path = self.directory / "upload.bin"
        path.write_text(content)
        identity = USER if self.generation.server == "new" else {}
        sid, fid = uploaded(self.client, {"path": str(path), "filename": name}, **identity)
        return self.ref(sid, fid, name)

    def is_alive(self, ref: Json) -> bool:
        """Probe a file as LibreChat does before it runs a program with it."""
        return is_alive(self.client.server("lastModified", **self.place(ref)).value)

    def call_with_tools(self, tool: str, code: str) -> Outcome:
        """Run a program that may call `parrot`."""
        manifest = {"tool_manifest": ["parrot"]} if "tool_manifest" in self.tools[tool].parameters else {}
        return self.converse((tool, {"code": code, **manifest}), agentTools=[PARROT]).last


def check_print(subject: ClientUnderTest) -> None:
    """K14, K17, K19: what a program prints reaches the model, in Python, JavaScript and TypeScript."""
    typed = "enum Color { Red = 40 }\nconst more: number = 2;\nconsole.log(Color.Red + more);"
    programs = {"py": "print(6 * 7)", "js": "console.log(6 * 7)", "ts": typed}
    played = subject.converse(*(execute(lang, code) for lang, code in programs.items()))
    shown = [outcome.text for [outcome] in played.turns]
    assert shown == ["stdout:\n42"] * 3, shown


def check_bash(subject: ClientUnderTest) -> None:
    """K14, K22: bash runs as a language of execute_code and as bash_tool, whichever the client offers."""
    code = """echo '{"a": 42}' | jq .a; python3 -c 'print(6 * 7)'; pwd"""
    ways = {CODE_TOOL: execute("bash", code), BASH_TOOL: (BASH_TOOL, {"command": code})}
    played = subject.converse(*(ways[name] for name in bash_tools(subject)))
    shown = {outcome.text for [outcome] in played.turns}
    assert shown == {"stdout:\n42\n42\n/mnt/data"}, shown


def check_exception(subject: ClientUnderTest) -> None:
    """K18, K22: a traceback reaches the model on stderr, with the user's line number, after what was printed."""
    text = subject.converse(execute("py", "print('before', flush=True)\n\nraise ValueError('told you')")).last.text
    assert text.startswith("stdout:\nbefore\n"), text
    assert "stderr:\nTraceback (most recent call last):" in text, text
    assert "line 3" in text, text
    assert text.endswith("ValueError: told you"), text


def check_files_in_later_calls(subject: ClientUnderTest) -> None:
    """K15, K20, K38: a file made in one call is changed in the next and read in the third."""
    write = "import os; os.makedirs('data'); open('data/a.txt', 'w').write('one')"
    change = "t = open('data/a.txt').read(); open('data/a.txt', 'w').write(t + ' two'); print(t)"
    read = "print(open('/mnt/data/data/a.txt').read())"
    shown = [outcome.text.split("\n")[:2] for outcome in subject.run_in_turn(write, change, read)]
    assert shown[1:] == [["stdout:", "one"], ["stdout:", "one two"]], shown


def check_plot(subject: ClientUnderTest) -> None:
    """K20, K22, K40: a plot is an output, and LibreChat downloads its bytes."""
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('plot.png')"
    outcome = subject.converse(execute("py", code)).last
    assert list(outcome.files) == ["plot.png"], outcome
    place = subject.place(subject.output_ref(outcome, "plot.png"))
    for verb in ("downloadBuffer", "downloadStream"):
        download = subject.client.server(verb, **place)
        assert download.status is None and download.content.startswith(PNG_MAGIC), download


def check_upload(subject: ClientUnderTest) -> None:
    """K15, K34: a program reads what was uploaded before it."""
    ref = subject.upload("übung 1.csv", TABLE)
    read = execute("py", "print(open('/mnt/data/übung 1.csv').read())")
    text = subject.converse(read, **subject.with_files([ref])).last.text
    assert text == f"stdout:\n{TABLE.strip()}", text


def check_liveness(subject: ClientUnderTest) -> None:
    """K12, K38, K39: an upload and an output are alive, and what does not exist is not."""
    outcome = subject.converse(execute("py", "open('o.txt', 'w').write('o')")).last
    assert subject.is_alive(subject.upload("a.csv", TABLE))
    assert subject.is_alive(subject.output_ref(outcome, "o.txt"))
    assert not subject.is_alive(subject.ref("A" * 21, "B" * 21, "a.csv"))


def check_deletion(subject: ClientUnderTest) -> None:
    """K41: a deleted file is a 404 for the next deletion and the download, and not alive.

    LibreChat deletes from v0.8.6 on, by the object's route; for releases before, the other route is taken.
    """
    ref = subject.upload("a.csv", TABLE)
    place = {"route": "files" if subject.generation.server == "old" else "objects", **subject.place(ref)}
    answers = [subject.client.server(verb, **place) for verb in ("delete", "delete", "downloadBuffer")]
    assert [answer.status for answer in answers] == [None, 404, 404], answers
    assert not subject.is_alive(ref)


def check_tools_from_python(subject: ClientUnderTest) -> None:
    """K27 to K29: a Python program calls a tool of the agent, once, then five times at once."""
    code = "one = await parrot(n=1)\nmore = await asyncio.gather(*[parrot(n=n) for n in range(5)])\n"
    text = subject.call_with_tools(PYTHON_WITH_TOOLS, f"{code}print(one['n'] + sum(each['n'] for each in more))").text
    assert text.split("\n\n")[0] == "stdout:\n11", text


def check_tools_from_bash(subject: ClientUnderTest) -> None:
    """K27, K28, K30: a bash program calls a tool of the agent, in a pipe and in a substitution."""
    code = """parrot '{"n": 7}' | jq .n; x=$(parrot '{"n": 8}'); echo "$x\""""
    text = subject.call_with_tools(BASH_WITH_TOOLS, code).text
    assert text.split("\n\n")[0] == 'stdout:\n7\n{"n":8}', text


def check_wrong_key(subject: ClientUnderTest) -> None:
    """K5, K6: a wrong key is a 401, which the client words in its own way."""
    with _client(subject.project, subject.generation, replace(subject.service, api_key="wrong-key")) as client:
        text = replace(subject, client=client).converse(execute("py", "print(1)")).last.text
    assert re.search(r"\b401\b|not authorized", text), text


def check_newest_of_one_name(subject: ClientUnderTest) -> None:
    """K15: of an edited output and the upload it came from, both sent, the program finds the edited one."""
    upload = subject.upload("a.csv", TABLE)
    edit = execute("py", "open('a.csv', 'a').write('3,4\\n')")
    output = subject.output_ref(subject.converse(edit, **subject.with_files([upload])).last, "a.csv")
    read = execute("py", "print(open('a.csv').read())")
    for files in ([upload, output], [output, upload]):
        text = subject.converse(read, **subject.with_files(files)).last.text
        assert text.startswith(f"stdout:\n{TABLE}3,4"), text


Check = Callable[[ClientUnderTest], None]
CHECKS: tuple[Check, ...] = (
    check_print,
    check_bash,
    check_exception,
    check_files_in_later_calls,
    check_plot,
    check_upload,
    check_liveness,
    check_deletion,
    check_tools_from_python,
    check_tools_from_bash,
    check_wrong_key,
    check_newest_of_one_name,
)


def bash_tools(subject: ClientUnderTest) -> list[str]:
    """Name the tools by which this client runs bash."""
    as_language = [CODE_TOOL] if "bash" in subject.tools[CODE_TOOL].languages else []
    return as_language + ([BASH_TOOL] if BASH_TOOL in subject.tools else [])


def offers(subject: ClientUnderTest, check: Check) -> bool:
    """Whether the client has what a check is about."""
    if check is check_bash:
        return bool(bash_tools(subject))
    needed = {check_tools_from_python: PYTHON_WITH_TOOLS, check_tools_from_bash: BASH_WITH_TOOLS}
    return check not in needed or needed[check] in subject.tools


@contextmanager
def client_under_test(version: str, project: Path, service: LiveService, directory: Path) -> Iterator[ClientUnderTest]:
    """Set an installed client up as an operator does, and ask it which tools it offers."""
    generation = generation_of(version)
    assert generation is not None
    with _client(project, generation, service) as client:
        subject = ClientUnderTest(client, generation, project, service, directory, tools={})
        yield replace(subject, tools=subject.converse().offered)


@contextmanager
def _client(project: Path, generation: Generation, service: LiveService) -> Iterator[Client]:
    base_url = service.url if generation.sends_key else service.url_with_key
    api_key = service.api_key if generation.sends_key else ""
    with DriverProcesses(project, base_url, api_key) as processes:
        yield Client(project.name, generation.server, base_url, api_key, processes)
