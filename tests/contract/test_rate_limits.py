"""An operator may limit the runs of a user or a tenant, with no effect on LibreChat (K42)."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.settings import Settings
from tests.contract import tokens
from tests.contract.conftest import Serve
from tests.contract.service import Service

TRUE = {"lang": "bash", "code": "true"}
KEYS = {"codeapi_jwt_public_key": tokens.public_key(), "codeapi_jwt_kid": tokens.KID}


async def test_a_run_over_the_limit_is_told_when_to_come_again(serve: Serve) -> None:
    """K42: 429, `rate_limited`, seconds in body and header, for this user alone, and nothing else is limited."""
    async with serve(rate_limit_user_runs=40, **KEYS) as service:
        alice, bob = service.bearer(tokens.token("alice")), service.bearer(tokens.token("bob"))
        for number in range(40):
            answer = await alice.http.post("/exec", json=TRUE | {"session_id": None, "timeout": 5000 + number})
            assert answer.status_code == 200
        for path in ("/exec", "/exec/programmatic"):
            refused = await alice.http.post(path, json={**TRUE, "tools": []})
            body = refused.json()
            assert (refused.status_code, body["error"]) == (429, "rate_limited")
            assert refused.headers["retry-after"] == str(body["retry_after_seconds"])
            assert 1 <= body["retry_after_seconds"] <= 15
        await alice.upload_one("a.txt")
        await bob.exec("true", "bash")


async def test_going_on_with_a_program_counts_for_nothing(serve: Serve) -> None:
    """K42, K32: at the limit a program that waited for its tools still gets their results."""
    async with serve(rate_limit_user_runs=40, **KEYS) as service:
        alice = service.bearer(tokens.token("alice"))
        program = {"code": "print(await ask())", "tools": [{"name": "ask"}]}
        paused = (await alice.http.post("/exec/programmatic", json=program)).json()
        for _ in range(39):
            await alice.exec("true", "bash")
        assert (await alice.http.post("/exec", json=TRUE)).status_code == 429
        results = [{"call_id": call["id"], "result": 1} for call in paused["tool_calls"]]
        more = {"continuation_token": paused["continuation_token"], "tool_results": results}
        assert (await alice.http.post("/exec/programmatic", json=more)).json()["stdout"] == "1\n"


async def test_without_a_limit_nothing_counts(service: Service) -> None:
    """K42: by default a user's runs are not limited."""
    caller = service.caller(User_Id="without-a-limit")
    answers = [await caller.http.post("/exec", json=TRUE) for _ in range(60)]
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("name", ["rate_limit_user_runs", "rate_limit_tenant_runs"])
def test_no_limit_may_be_below_what_librechat_needs(name: str) -> None:
    """K42: LibreChat needs 33 runs in a row and some more: a limit of 39 is refused at the start, 40 is not."""
    with pytest.raises(ValueError, match="at least 40"):
        Settings.model_validate({name: 39})
    Settings.model_validate({name: 40})
