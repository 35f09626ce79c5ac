"""One conversation of five turns, as LibreChat holds it: uploads, runs, follow-ups with refs to what came before."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from tests.replicas.client import Broken, Client, Json, Refused, until_answered

TURNS = 5
UPLOAD_BEFORE_TURNS = (0, 2)
LARGE_BYTES = 6 << 20
"""More than a bucket takes in one part, than fits into one call to Daytona, than a run's answer carries."""

LOST = "SG"

PROGRAM = """
import hashlib, os, pathlib
marks = os.open("/shared/marks", os.O_WRONLY | os.O_APPEND)
os.write(marks, b"{mark}\\n")
inputs = sorted(path for path in pathlib.Path(".").glob("input-*"))
with open("log.txt", "a") as log:
    log.write("{mark}\\n")
os.makedirs("out", exist_ok=True)
pathlib.Path("out/turn-{turn}.bin").write_bytes(hashlib.sha256(b"{mark}").digest() * {repeats})
print(pathlib.Path("log.txt").read_text(), end="")
for path in inputs:
    print(path, hashlib.sha256(path.read_bytes()).hexdigest())
"""


class Fate(Enum):
    """What the client knows of a program that it sent."""

    ANSWERED = "it ran, and this is what came out"
    REFUSED = "it did not run"
    UNKNOWN = "it may have run"


@dataclass
class Memory:
    """What all conversations were promised, to be checked at the end."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """(session, file) -> bytes: what was uploaded, and what runs returned."""

    fates: dict[str, Fate] = field(default_factory=dict)
    """By the mark that the program leaves."""

    turns: int = 0
    """Answered ones."""


@dataclass
class Conversation:
    """One user. Half of them are older clients, which send a session; newer ones send hints."""

    number: int
    client: Client
    memory: Memory
    session_id: str | None = None
    refs: dict[str, Json] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    _attempts: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def is_old(self) -> bool:
        """Return whether the client is LibreChat <= v0.8.5."""
        return self.number % 2 == 0

    async def hold(self) -> None:
        """Take all turns."""
        for turn in range(TURNS):
            if turn in UPLOAD_BEFORE_TURNS:
                await self._upload(turn)
            await until_answered(partial(self._run, turn))
            self.memory.turns += 1

    # --- uploads ---------------------------------------------------------------------------------------------------

    async def _upload(self, turn: int) -> None:
        """Upload a file, with retries; what is acknowledged must stay."""
        name = f"input-{turn}.bin"
        size = LARGE_BYTES if turn == 0 and self.number % 20 == 0 else 1000
        data = hashlib.sha256(f"{self.number} {turn}".encode()).digest() * (size // 32)
        fields = {"entity_id": ""} if self.is_old else {"kind": "user", "id": str(self.number)}
        answer = await self.client.insist(
            "upload", "POST", "/upload", data=fields, files={"file": (name, data)}, headers={"User-Id": self._user}
        )
        body = answer.json()
        session_id, file_id = body["storage_session_id"], body["files"][0]["fileId"]
        self.memory.files[session_id, file_id] = self.inputs[name] = data
        self._refer(name, session_id, file_id)

    @property
    def _user(self) -> str:
        return f"user-{self.number}"

    def _refer(self, name: str, session_id: str, file_id: str) -> None:
        session = "session_id" if self.is_old else "storage_session_id"
        kind = {} if self.is_old else {"kind": "user", "resource_id": str(self.number)}
        self.refs[name] = {"id": file_id, session: session_id, "name": name, **kind}

    # --- runs ------------------------------------------------------------------------------------------------------

    async def _run(self, turn: int) -> None:
        """Send a program once; a retry is another program, with a mark of its own."""
        mark = f"{self.number}-{turn}-{next(self._attempts)}"
        self.memory.fates[mark] = Fate.UNKNOWN
        repeats = 20_000 if self.number % 10 == 0 else 10
        try:
            request = self._request(turn, mark, repeats)
            answer = await self.client.ask("exec", "POST", "/exec", json=request)
        except Refused:
            self.memory.fates[mark] = Fate.REFUSED
            raise
        body = answer.json()
        if body.get("status") == LOST:
            self.client.tally.note("exec", "200, lost")
            raise Broken
        self.memory.fates[mark] = Fate.ANSWERED
        self._remember(turn, mark, repeats, body)
        await self._look_at_one(body)

    def _request(self, turn: int, mark: str, repeats: int) -> Json:
        request: Json = {
            "lang": "py", "code": PROGRAM.format(mark=mark, turn=turn, repeats=repeats),
            "files": list(self.refs.values()), "user_id": self._user,
        }  # fmt: skip
        if self.is_old and self.session_id:
            request["session_id"] = self.session_id
        if not self.is_old:
            request["runtime_session_hint"] = f"conversation-{self.number}"
        return request

    def _remember(self, turn: int, mark: str, repeats: int, body: Json) -> None:
        """Check the answer against what the program must have seen, and record its files."""
        assert body.get("code") == 0, body
        printed = body["stdout"].splitlines()
        seen, inputs = printed[: -len(self.inputs)], printed[-len(self.inputs) :]
        assert inputs == [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(self.inputs.items())]
        self._check_log(seen, mark)
        expected = {
            "log.txt": "".join(f"{line}\n" for line in seen).encode(),
            f"out/turn-{turn}.bin": hashlib.sha256(mark.encode()).digest() * repeats,
        }
        returned = {file["name"]: file for file in body["files"] if not file.get("inherited")}
        assert expected.keys() <= returned.keys(), body
        self.session_id = body["session_id"]
        for name, data in expected.items():
            file = returned[name]
            self.memory.files[file["storage_session_id"], file["id"]] = data
            self._refer(name, file["storage_session_id"], file["id"])

    def _check_log(self, seen: list[str], mark: str) -> None:
        """Every acknowledged turn is in the log, in order; besides only unanswered ones, and nothing twice."""
        assert len(seen) == len(set(seen)), seen
        assert [line for line in seen if line in self.log] == self.log, (seen, self.log)
        assert seen[-1] == mark
        others = [line for line in seen[:-1] if line not in self.log]
        assert all(self.memory.fates[line] is Fate.UNKNOWN for line in others), others
        self.log = seen

    async def _look_at_one(self, body: Json) -> None:
        """Download what was just returned, at once and from another replica."""
        file = body["files"][-1]
        place = (file["storage_session_id"], file["id"])
        answer = await self.client.insist("download", "GET", "/download/{}/{}".format(*place))
        assert place not in self.memory.files or answer.content == self.memory.files[place]


async def hold_all(conversations: list[Conversation], at_once: int) -> None:
    """Run at most this many at a time."""
    turn = asyncio.Semaphore(at_once)

    async def hold(conversation: Conversation) -> None:
        async with turn:
            await conversation.hold()

    async with asyncio.TaskGroup() as group:
        for conversation in conversations:
            group.create_task(hold(conversation))
