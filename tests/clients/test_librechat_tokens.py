"""LibreChat from v0.8.6 on with its tokens: files are a user's own, skills are the tenant's (K7, K9)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client import Client, Json, drive, execute
from tests.clients.conftest import NEW, client_of
from tests.clients.npm import installed
from tests.clients.uploading import SKILL, uploaded
from tests.service import LiveService, running_service

KID = "key-1"
[VERSION] = NEW


@pytest.fixture(scope="module")
def key_pair() -> Json:
    """The keys of this LibreChat."""
    return drive("jwt", {}, installed(VERSION))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, key_pair: Json) -> Iterator[LiveService]:
    """A service that takes LibreChat's tokens and, for old releases, its API key."""
    settings = {"CODEAPI_JWT_PUBLIC_KEY": key_pair["publicKey"], "CODEAPI_JWT_KID": KID}
    with running_service(tmp_path_factory.mktemp("tokens"), **settings) as running:
        yield running


@pytest.fixture
def client(service: LiveService) -> Client:
    """The new client, with the address alone."""
    return Client(VERSION, "new", service.url, api_key="")


def bearer(key_pair: Json, user: str, tenant: str = "acme") -> Json:
    """Make the headers with which LibreChat speaks for a user."""
    claims = {"sub": user, "tenant_id": tenant, "role": "USER"}
    job = {"privateKey": key_pair["privateKey"], "kid": KID, "claims": claims}
    return {"Authorization": f"Bearer {drive('jwt', job, installed(VERSION))['token']}"}


def test_a_token_runs_code_and_fetches_its_output(client: Client, key_pair: Json) -> None:
    """K7, K9: an output is its user's, and for anyone else, in the tenant or out of it, it is not there."""
    ann = bearer(key_pair, "ann")
    played = client.converse([execute("py", "open('o.txt', 'w').write('mine')")], authHeaders=ann)
    output = played.last.files["o.txt"]
    place: Json = {"sid": output["storage_session_id"], "fid": output["id"], "kind": "user", "id": "ann"}
    assert client.server("downloadBuffer", authHeaders=ann, **place).content == b"mine"
    for stranger in (bearer(key_pair, "bob"), bearer(key_pair, "ann", tenant="other")):
        assert client.server("downloadBuffer", authHeaders=stranger, **place).status == 404
        assert client.server("lastModified", authHeaders=stranger, **place).status == 404


def test_a_strangers_file_is_no_input(client: Client, key_pair: Json) -> None:
    """K9, K15: another user's ref is skipped, named on stderr, and the program runs without it."""
    output = client.converse(
        [execute("py", "open('o.txt', 'w').write('mine')")], authHeaders=bearer(key_pair, "ann")
    ).last.artifact
    code = execute("py", "import os; print(os.path.exists('o.txt'))")
    stolen = client.converse([code], sessions={"execute_code": output}, authHeaders=bearer(key_pair, "bob"))
    assert stolen.last.text.startswith("stdout:\nFalse\n\nstderr:\n")
    assert "o.txt" in stolen.last.text


def test_a_skill_is_shared_in_the_tenant(client: Client, key_pair: Json, csv: Json) -> None:
    """K9: a skill's file that one user's request uploads is alive for colleagues, and for no other tenant."""
    sid, fid = uploaded(client, csv, **SKILL, authHeaders=bearer(key_pair, "ann"))
    place: Json = {"sid": sid, "fid": fid, **SKILL}
    colleague, stranger = bearer(key_pair, "bob"), bearer(key_pair, "bob", tenant="other")
    assert client.server("lastModified", authHeaders=colleague, **place).value
    assert client.server("lastModified", authHeaders=stranger, **place).status == 404


def test_an_old_release_is_served_beside(service: LiveService) -> None:
    """Contract, preamble: one service serves all releases at once, each with its own credential."""
    played = client_of("3.1.63", service).converse([execute("py", "print(1)")])
    assert played.last.text == "stdout:\n1"


def test_no_credential_is_a_401(client: Client, service: LiveService, tmp_path: Path) -> None:
    """K8: LibreChat without a credential is refused, and the log tells the operator the ways out, once."""
    for _ in range(2):
        assert "not authorized" in client.converse([execute("py", "print(1)")]).last.text
    assert service.log.read_text().count("LIBRECHAT_CODE_BASEURL") == 1
