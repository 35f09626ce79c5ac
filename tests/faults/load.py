"""Mixed load at a steady, modest pace, as by users of a small LibreChat, errors included."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx

Action = Callable[[], Awaitable[None]]
_LARGE = bytes(6 << 20)
_PYTHON = "import os\nos.makedirs('out', exist_ok=True)\nopen('out/a.bin', 'wb').write(b'x' * 200_000)\nprint(6 * 7)"
_TOOLS = {"code": "print(await step(n=1)); print(await step(n=2))", "tools": [{"name": "step"}]}


class Load:
    """Make requests one after the other, chosen at random, on a few connections at once."""

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self._client = client
        self._random = random.Random(seed)
        self._sessions: list[tuple[str, str]] = []
        self.done: Counter[str] = Counter()
        self._actions: list[tuple[int, Action]] = [
            (6, self._run), (3, self._follow_up), (3, self._bash), (2, self._upload), (3, self._read),
            (2, self._delete), (1, self._large), (1, self._tools), (1, self._time_limit), (1, self._leave),
            (2, self._wrong),
        ]  # fmt: skip

    async def warm_up(self, times: int) -> None:
        """Make each request this often, twice at once: then the service has made and loaded whatever it needs."""
        for _, action in self._actions * times:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(_done(action))

    async def work(self, seconds: float, *, lines: int = 2, pause_seconds: float = 0.35) -> None:
        """Work for this time."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(lines):
                group.create_task(self._line(end, pause_seconds))

    async def _line(self, end: float, pause_seconds: float) -> None:
        weights, actions = zip(*self._actions, strict=True)
        while asyncio.get_running_loop().time() < end:
            (action,) = self._random.choices(actions, weights)
            await action()
            self.done[action.__name__.strip("_")] += 1
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * pause_seconds)

    async def _exec(self, **request: object) -> dict[str, object]:
        answer = await self._client.post("/exec", json=request)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def _run(self) -> None:
        body = await self._exec(lang="py", code=_PYTHON)
        assert body["stdout"] == "42\n", body
        self._remember(body)

    def _remember(self, body: dict[str, object]) -> None:
        for file in body["files"] if isinstance(body["files"], list) else []:
            self._sessions.append((str(body["session_id"]), file.get("id") or file["fileId"]))
        del self._sessions[:-50]

    def _any(self) -> tuple[str, str]:
        return self._random.choice(self._sessions) if self._sessions else ("a" * 21, "b" * 21)

    async def _follow_up(self) -> None:
        session_id, file_id = self._any()
        refs = [{"id": file_id, "session_id": session_id, "name": "in.bin"}]
        code = "open('b.txt', 'a').write('b')"
        self._remember(await self._exec(lang="py", code=code, session_id=session_id, files=refs))

    async def _bash(self) -> None:
        hint = f"conversation-{self._random.randrange(20)}"
        self._remember(await self._exec(lang="bash", code="seq 1000; date > d.txt", runtime_session_hint=hint))

    async def _upload(self) -> None:
        files = [("file", (f"{n}.csv", b"a,b\n1,2\n" * 1000)) for n in range(3)]
        self._remember((await self._client.post("/upload", files=files)).json())

    async def _large(self) -> None:
        body = (await self._client.post("/upload", files={"file": ("large", _LARGE)})).json()
        where = f"{body['session_id']}/{body['files'][0]['fileId']}"
        assert (await self._client.get(f"/download/{where}")).content == _LARGE
        assert (await self._client.delete(f"/files/{where}")).status_code == 200

    async def _read(self) -> None:
        session_id, file_id = self._any()
        where = f"{session_id}/{file_id}"
        for path in (f"/files/{session_id}", f"/sessions/{session_id}/objects/{file_id}", f"/download/{where}"):
            assert (await self._client.get(path)).status_code in (200, 404)

    async def _delete(self) -> None:
        session_id, file_id = self._any()
        await self._client.delete(f"/files/{session_id}/{file_id}")

    async def _tools(self) -> None:
        body = (await self._client.post("/exec/programmatic", json=_TOOLS)).json()
        while body["status"] == "tool_call_required":
            results = [{"call_id": call["id"], "result": call["input"]} for call in body["tool_calls"]]
            request = {"continuation_token": body["continuation_token"], "tool_results": results}
            body = (await self._client.post("/exec/programmatic", json=request)).json()
        assert body["status"] == "completed", body

    async def _time_limit(self) -> None:
        body = await self._exec(lang="py", code="while True: import time; time.sleep(9)", timeout=1000)
        assert body["status"] == "TO", body

    async def _leave(self) -> None:
        try:
            await self._client.post("/exec", json={"lang": "bash", "code": "sleep 100 & sleep 100"}, timeout=0.3)
        except httpx.TimeoutException:
            return

    async def _wrong(self) -> None:
        answers = [
            await self._client.post("/exec", content=b"{"),
            await self._client.post("/exec", json={"lang": "cobol", "code": ""}),
            await self._client.get("/files/nothing", headers={"X-API-Key": "wrong"}),
        ]
        assert [answer.status_code for answer in answers] == [400, 400, 401]


async def _done(action: Action) -> None:
    await action()
