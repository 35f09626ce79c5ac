"""The file store fails in the middle of a run: the program's output is returned all the same (K18, K21)."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from librechat_code_interpreter.core.errors import StoreUnavailable
from tests.contract.conftest import Serve

PROGRAM = "echo done; echo b > b.txt"


async def away(*_: Any) -> NoReturn:
    """A store that does not answer."""
    raise StoreUnavailable("The file store does not answer.")


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_run_whose_files_cannot_be_recorded_is_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """K18, K21: the output is returned, its files are reported as not delivered; a 503 would invite a second run."""
    async with serve() as service:
        caller = service.caller()
        session: dict[str, Any] = {} if is_new else {"session_id": (await caller.upload(("a.txt", b"a")))["session_id"]}
        with monkeypatch.context() as outage:
            outage.setattr(service.parts.store, "create" if is_new else "change", away)
            ran = await caller.exec(PROGRAM, "bash", **session)
        assert (ran["stdout"], ran["files"], ran.get("code")) == ("done\n", [], 0)
        assert "b.txt was not delivered: the file store does not answer." in ran["stderr"]
        assert ran["artifact_delivery"] == {
            "code": "artifact_delivery_failed", "status": "failed", "attempted": 1, "delivered": 0, "failed": 1,
        }  # fmt: skip
        again = await caller.exec("ls", "bash", session_id=ran["session_id"])
        assert again["stdout"] == ("" if is_new else "a.txt\n")


@pytest.mark.parametrize("away_at", ["pause", "end", "both"])
async def test_a_program_with_tools_is_answered(serve: Serve, monkeypatch: pytest.MonkeyPatch, away_at: str) -> None:
    """K27: neither its pause nor its end is lost with the store; only files that could not be stored are."""
    program = {"code": "print(await step())\nopen('b.txt', 'w').write('b')", "tools": [{"name": "step"}]}
    async with serve() as service:
        caller = service.caller()
        with monkeypatch.context() as outage:
            if away_at != "end":
                outage.setattr(service.parts.store, "create", away)
            paused = (await caller.http.post("/exec/programmatic", json=program)).json()
        assert paused["status"] == "tool_call_required", paused
        results = [{"call_id": paused["tool_calls"][0]["id"], "result": "went on"}]
        body = {"continuation_token": paused["continuation_token"], "tool_results": results}
        with monkeypatch.context() as outage:
            if away_at != "pause":
                for verb in ("create", "change", "load"):
                    outage.setattr(service.parts.store, verb, away)
            ended = (await caller.http.post("/exec/programmatic", json=body)).json()
        assert (ended["status"], ended["stdout"]) == ("completed", "went on\n"), ended
        if away_at == "pause":
            (kept,) = ended["files"]
            found = await caller.http.get(f"/download/{kept['storage_session_id']}/{kept['id']}")
            assert found.content == b"b"
        else:
            assert ended["files"] == []
            assert "b.txt was not delivered: the file store does not answer." in ended["stderr"]
