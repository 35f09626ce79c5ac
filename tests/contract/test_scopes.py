"""Ownership with LibreChat's tokens, from upload to deletion (K7, K9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.ids import new_id
from tests.contract import tokens
from tests.contract.caller import Caller, Json, Ref, names, new_ref, old_ref, refs_to
from tests.contract.engines import Borrowed
from tests.contract.service import Service, serving


@dataclass(frozen=True)
class People:
    """Two users of one tenant, one of another, and a caller with the API key."""

    service: Service
    alice: Caller
    bob: Caller
    stranger: Caller
    keyed: Caller

    def others(self) -> list[Caller]:
        """Everybody but Alice."""
        return [self.bob, self.stranger, self.keyed]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def people(service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[People]:
    """Live an application that takes tokens and the key."""
    store: Path = tmp_path_factory.mktemp("scopes") / "store"
    keys = {"codeapi_jwt_public_key": tokens.public_key(), "codeapi_jwt_kid": tokens.KID}
    async with serving(store, Borrowed(service.parts.engine), **keys) as tenants:
        yield People(
            tenants,
            tenants.bearer(tokens.token("alice")),
            tenants.bearer(tokens.token("bob")),
            tenants.bearer(tokens.token("alice", tenant="rival")),
            tenants.caller(User_Id="alice"),
        )


async def answers(caller: Caller, session_id: str, file_id: str) -> list[tuple[int, Json]]:
    """Request one file on every file route, deletion last."""
    asked = [
        ("GET", f"/files/{session_id}"),
        ("GET", f"/files/{session_id}?detail=simple"),
        ("GET", f"/sessions/{session_id}/objects/{file_id}"),
        ("GET", f"/download/{session_id}/{file_id}"),
        ("DELETE", f"/files/{session_id}/{file_id}"),
        ("DELETE", f"/sessions/{session_id}/objects/{file_id}"),
    ]
    replies = [await caller.http.request(method, path) for method, path in asked]
    return [(reply.status_code, reply.json()) for reply in replies]


async def assert_absent_for(people: People, ref: Ref) -> None:
    """Check that for everyone but Alice this file does not exist."""
    for other in people.others():
        nowhere = await answers(other, new_id(), new_id())
        assert {status for status, _ in nowhere} == {404}
        assert await answers(other, ref["session_id"], ref["id"]) == nowhere
        tried = await other.exec("ls", "bash", files=[ref])
        never = await other.exec("ls", "bash", files=[old_ref(new_id(), new_id(), ref["name"])])
        assert (tried["stdout"], tried["stderr"]) == ("", never["stderr"])
        assert ref["name"] in tried["stderr"]


async def test_an_upload_is_private_to_its_user(people: People) -> None:
    """K9: for another user of the tenant, another tenant and the API key, the file does not exist."""
    ref = await people.alice.upload_one("mine.txt", b"private")
    await assert_absent_for(people, ref)
    assert (await people.alice.exec("cat mine.txt", "bash", files=[ref]))["stdout"] == "private"
    assert await people.alice.content(ref["session_id"], ref["id"]) == b"private"


async def test_an_output_is_private_to_its_user(people: People) -> None:
    """K9: outputs belong to the user who ran the program, and continue with that user alone."""
    ran = await people.alice.exec("echo secret > out.txt", "bash")
    (ref,) = refs_to(ran)
    await assert_absent_for(people, ref)
    assert await people.alice.output(ran, "out.txt") == b"secret\n"
    removed = await people.alice.http.delete(f"/files/{ref['session_id']}/{ref['id']}")
    assert removed.status_code == 200


async def test_the_id_of_a_user_upload_is_informational(people: People) -> None:
    """K9: ``kind=user`` with another user's id gives that user nothing; the token alone decides."""
    ref = await people.alice.upload_one("mine.txt", b"private", kind="user", id="bob")
    await assert_absent_for(people, ref)
    assert await people.alice.content(ref["session_id"], ref["id"]) == b"private"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "skill", "id": "skill-1", "version": "3"},
        {"kind": "agent", "id": "agent-1"},
        {"entity_id": "agent-1"},
    ],
)
async def test_what_a_skill_or_an_agent_owns_is_read_by_the_tenant(people: People, fields: dict[str, str]) -> None:
    """K9: another user of the tenant lists, probes, downloads and uses it; another tenant does not see it."""
    ref = await people.alice.upload_one("shared.txt", b"for all", **fields)
    session_id, file_id = ref["session_id"], ref["id"]
    kind = fields.get("kind", "agent")
    used = await people.bob.exec(
        "cat shared.txt", "bash", files=[new_ref(session_id, file_id, "shared.txt", kind, version=3)]
    )
    assert used["stdout"] == "for all"
    assert [file["id"] for file in await people.bob.listing(session_id)] == [file_id]
    assert (await people.bob.http.get(f"/sessions/{session_id}/objects/{file_id}")).status_code == 200
    assert await people.bob.content(session_id, file_id) == b"for all"
    for outsider in (people.stranger, people.keyed):
        assert await answers(outsider, session_id, file_id) == await answers(outsider, new_id(), new_id())


@pytest.mark.parametrize("fields", [{"kind": "skill", "id": "s"}, {"kind": "agent", "id": "a"}, {"entity_id": "a"}])
async def test_what_is_shared_is_changed_by_its_uploader_alone(people: People, fields: dict[str, str]) -> None:
    """K9: a reader can neither delete a shared file nor add one beside it; its uploader can delete it."""
    ref = await people.alice.upload_one("shared.txt", b"for all", **fields)
    path = f"/files/{ref['session_id']}/{ref['id']}"
    assert (await people.bob.http.delete(path)).status_code == 404
    beside = await people.bob.http.post(
        "/upload", data={"session_id": ref["session_id"]}, files={"file": ("x.txt", b"x")}
    )
    assert beside.status_code == 404
    assert [file["filename"] for file in await people.bob.listing(ref["session_id"])] == ["shared.txt"]
    assert (await people.alice.http.delete(path)).status_code == 200


@pytest.mark.parametrize("fields", [{"kind": "skill", "id": "s"}, {"kind": "agent", "id": "a"}, {"entity_id": "a"}])
async def test_nobody_runs_in_a_session_of_a_skill_or_an_agent(people: People, fields: dict[str, str]) -> None:
    """K16: a shared upload's session is never continued, even by its uploader; the run gets a private session."""
    ref = await people.alice.upload_one("shared.txt", b"for all", **fields)
    for member in (people.alice, people.bob):
        ran = await member.exec("cat shared.txt; touch new.txt", "bash", session_id=ref["session_id"], files=[ref])
        assert ran["session_id"] != ref["session_id"]
        assert (ran["stdout"], names(ran)) == ("for all", ["new.txt"])
    assert [file["filename"] for file in await people.alice.listing(ref["session_id"])] == ["shared.txt"]


async def test_a_foreign_session_is_not_continued(people: People) -> None:
    """K9, K16: naming another user's session starts a new one, without its files."""
    hers = await people.alice.exec("echo hers > hers.txt", "bash")
    for other in people.others():
        ran = await other.exec("ls", "bash", session_id=hers["session_id"])
        assert ran["session_id"] != hers["session_id"]
        assert ran["stdout"] == ""


async def test_a_foreign_session_takes_no_uploads(people: People) -> None:
    """K9, K34: adding to another user's session answers 404, and adds nothing."""
    hers = await people.alice.exec("true", "bash")
    for other in people.others():
        replies = [
            await other.http.post("/upload", data={"session_id": session_id}, files={"file": ("x.txt", b"x")})
            for session_id in (hers["session_id"], new_id())
        ]
        assert [reply.status_code for reply in replies] == [404, 404]
        assert replies[0].json() == replies[1].json()
    assert await people.alice.listing(hers["session_id"]) == []


async def test_hints_of_different_people_never_meet(people: People) -> None:
    """K9: the same runtime_session_hint means another session for every user and tenant."""
    hint = {"runtime_session_hint": "conversation-1"}
    sessions = [
        (await caller.exec("true", "bash", **hint))["session_id"] for caller in (people.alice, *people.others())
    ]
    assert len(set(sessions)) == 4
    again = await people.alice.exec("true", "bash", **hint)
    assert again["session_id"] == sessions[0]


async def test_the_body_cannot_say_who_a_token_is(people: People) -> None:
    """K8, K9: neither ``user_id`` nor User-Id gives Bob Alice's identity."""
    ref = await people.alice.upload_one("mine.txt", b"private")
    answer = await people.bob.http.post(
        "/exec",
        json={"lang": "bash", "code": "ls", "user_id": "alice", "files": [ref], "session_id": ref["session_id"]},
        headers={"User-Id": "alice"},
    )
    assert (answer.status_code, answer.json()["stdout"]) == (200, "")
    assert answer.json()["session_id"] != ref["session_id"]


async def test_a_token_of_today_opens_what_one_of_yesterday_made(people: People) -> None:
    """K7: files belong to (tenant, sub), not to a token: another token of the user, and a repeated one, work."""
    ref = await people.alice.upload_one("mine.txt", b"private")
    fresh = people.service.bearer(tokens.token("alice", role="ADMIN", plan_id="pro", aud=["other", "codeapi"]))
    for _ in range(2):
        assert await fresh.content(ref["session_id"], ref["id"]) == b"private"


async def test_a_token_without_a_tenant_is_of_the_legacy_tenant(people: People) -> None:
    """K7: ``tenant_id`` defaults to ``legacy``, which is a tenant like any other."""
    implicit = people.service.bearer(tokens.token("carol", tenant=None))
    explicit = people.service.bearer(tokens.token("carol", tenant="legacy"))
    ref = await implicit.upload_one("mine.txt", b"private")
    assert await explicit.content(ref["session_id"], ref["id"]) == b"private"
    elsewhere = people.service.bearer(tokens.token("carol", tenant="acme"))
    assert (await elsewhere.http.get(f"/files/{ref['session_id']}")).status_code == 404


async def test_a_bad_token_is_refused_everywhere(people: People) -> None:
    """K7: an expired token is a 401 on every kind of route, without any of its content."""
    expired = tokens.token("alice", iat=1_700_000_000, nbf=1_700_000_000, exp=1_700_000_300)
    late = people.service.bearer(expired)
    for method, path in [("POST", "/exec"), ("POST", "/upload"), ("GET", f"/files/{new_id()}"), ("GET", "/nowhere")]:
        reply = await late.http.request(method, path)
        assert (reply.status_code, reply.json()["error"]) == (401, "unauthorized")
        assert expired not in reply.text and "alice" not in reply.text
