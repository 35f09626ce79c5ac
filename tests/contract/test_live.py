"""Behaviour that needs a real server and a real socket (K1, K3, K6, K26, K34, K36)."""

from __future__ import annotations

import base64
import json
import secrets
import socket

import pytest

from librechat_code_interpreter.units import MiB
from tests.contract import live
from tests.contract.caller import form
from tests.service import LiveService


@pytest.mark.parametrize("target", ["/exec", "/v1/exec", "//exec", "/v1//exec", "/exec?a=b"])
def test_a_base_url_may_end_in_a_slash(live_service: LiveService, target: str) -> None:
    """K1: the request line as the client writes it reaches the route through the real HTTP parser."""
    with live.connected(live_service) as connection:
        connection.sendall(live.exec_request(live_service, target, lang="bash", code="echo here"))
        status, answer = live.answer_on(connection)
    assert (status, answer.get("stdout")) == (200, "here\n"), answer


def test_a_client_that_leaves_cancels_its_run(live_service: LiveService) -> None:
    """K26: when the connection closes mid-run, the program is killed; it does not run on to its limit."""
    seconds = f"40.{secrets.randbelow(10**9):09}"
    with live.connected(live_service) as connection:
        connection.sendall(live.exec_request(live_service, lang="bash", code=f"exec sleep {seconds}"))
        assert live.until(lambda: live.is_running("sleep", seconds)), "the program never started"
    assert live.until(lambda: not live.is_running("sleep", seconds)), "the program went on without its client"


def test_the_session_of_a_cancelled_run_goes_on(live_service: LiveService) -> None:
    """K26: the session is free again at once, with its stored files."""
    seconds = f"40.{secrets.randbelow(10**9):09}"
    with live.connected(live_service) as connection:
        connection.sendall(live.exec_request(live_service, lang="bash", code="echo a > a.txt"))
        session_id = live.answer_on(connection)[1]["session_id"]
    with live.connected(live_service) as connection:
        code = f"echo changed > a.txt; exec sleep {seconds}"
        connection.sendall(live.exec_request(live_service, lang="bash", code=code, session_id=session_id))
        assert live.until(lambda: live.is_running("sleep", seconds)), "the program never started"
    with live.connected(live_service) as connection:
        connection.sendall(live.exec_request(live_service, lang="bash", code="cat a.txt", session_id=session_id))
        status, answer = live.answer_on(connection)
    assert (status, answer["session_id"], answer["stdout"]) == (200, session_id, "a\n")


def test_an_upload_over_the_limit_is_refused_before_its_end(live_service: LiveService) -> None:
    """K36: of an announced gibibyte 21 MiB were sent when the 413 arrives: the limit applies while streaming."""
    before = live.stored(live_service)
    upload = live.Upload(live_service)
    with live.connected(live_service) as connection:
        connection.sendall(upload.head(1024 * MiB) + upload.start)
        for _ in range(21):
            connection.sendall(b"x" * MiB)
        status, answer = live.answer_on(connection)
    assert (status, answer["error"]) == (413, "too_large")
    assert live.stored(live_service) == before


def test_a_client_that_sends_on_still_reads_why_it_is_refused(live_service: LiveService) -> None:
    """K36: a client that reads only after the last of 60 MiB, in chunks, gets the 413 and no reset connection."""
    before = live.stored(live_service)
    upload = live.Upload(live_service)
    with live.connected(live_service) as connection:
        connection.sendall(upload.chunked_head() + live.chunk(upload.start))
        for _ in range(60):
            connection.sendall(live.chunk(b"x" * MiB))
        connection.sendall(live.chunk(upload.end) + live.chunk(b""))
        status, answer = live.answer_on(connection)
    assert (status, answer["error"]) == (413, "too_large")
    assert live.stored(live_service) == before


def test_an_upload_that_breaks_off_leaves_nothing(live_service: LiveService) -> None:
    """K36: the client dies after 15 MiB of 20: no file, no record, no stack trace in the log."""
    before = live.stored(live_service)
    upload = live.Upload(live_service)
    with live.connected(live_service) as connection:
        connection.sendall(upload.head(20 * MiB) + upload.start)
        for _ in range(15):
            connection.sendall(b"x" * MiB)
        assert live.until(lambda: live.stored(live_service) != before), "nothing was written as it came"
    assert live.until(lambda: live.stored(live_service) == before), "what had come was kept"
    assert "Traceback" not in live_service.log.read_text()


def test_an_upload_may_ask_to_continue(live_service: LiveService) -> None:
    """K34: ``Expect: 100-continue``, as curl sends it, is answered before the body."""
    headers, body = form((b'name="file"; filename="a.txt"', b"content"))
    lines = (f"Content-Type: {headers['Content-Type']}", f"Content-Length: {len(body)}", "Expect: 100-continue")
    with live.connected(live_service) as connection:
        connection.sendall(live.head(live_service, "POST", "/upload", *lines))
        assert connection.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        status, answer = live.answer_on(connection)
    assert (status, answer["message"]) == (200, "success")


def test_one_connection_serves_many_requests(live_service: LiveService) -> None:
    """K2: errors in between included, each request on a kept connection gets its own answer."""
    with live.connected(live_service) as connection:
        for number in range(3):
            connection.sendall(live.exec_request(live_service, lang="bash", code=f"echo {number}"))
            assert live.answer_on(connection)[1]["stdout"] == f"{number}\n"
            connection.sendall(live.exec_request(live_service, lang="cobol", code=""))
            assert live.answer_on(connection)[0] == 400


def test_the_servers_log_holds_neither_keys_nor_bodies(live_service: LiveService) -> None:
    """K3, K6: neither the key, however it was sent, nor any body is logged, also for refused or broken requests."""
    secret = secrets.token_hex(16)
    basic = base64.b64encode(f"x:{live_service.api_key}".encode()).decode()
    body = json.dumps({"lang": "bash", "code": f"echo {secret}; nosuch{secret}", "apiKey": live_service.api_key})
    plain = [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    for lines in ([*plain, f"Authorization: Basic {basic}"], [*plain, "X-API-Key: wrong"], plain):
        with live.connected(live_service) as connection:
            start = f"POST /exec HTTP/1.1\r\nHost: {live_service.host}\r\n"
            connection.sendall((start + "\r\n".join([*lines, "", body])).encode())
            live.answer_on(connection)
    with live.connected(live_service) as connection:
        key = live_service.api_key
        connection.sendall(live.exec_request(live_service, lang=secret, code={"x": secret}, apiKey=key))
        assert live.answer_on(connection)[0] == 400
    log = live_service.log.read_text()
    assert "/exec" in log
    for hidden in (secret, live_service.api_key, basic):
        assert hidden not in log
