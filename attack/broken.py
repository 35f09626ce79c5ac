"""Send requests that are broken as a whole: bodies, credentials, connections."""

from __future__ import annotations

import base64
import gzip
import json
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from attack.arena import Arena
from attack.requests import JSON, MAY_WORK, RequestAttack, Sent, filled, tricks
from attack.target import Answer, form

_SECONDS = 1.5
_TRUE = b'{"lang":"bash","code":"true"}'
_PART = 'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n'
_ROUTES = ("/upload", "/upload/batch")


def load() -> Iterator[RequestAttack]:
    """Return them in the order of the table."""
    only_401 = frozenset({400, 401})
    yield RequestAttack("forged credentials", "No key, a wrong key, an unsigned token: 401.", _credentials, only_401)
    yield RequestAttack("broken JSON", "A body that is no request is 400.", _bodies, MAY_WORK)
    yield RequestAttack("compressed bodies and other types", "Bodies are never inflated.", _encodings, MAY_WORK)
    no_form = "A form that is none is 400, and nothing of it is kept."
    yield RequestAttack("broken multipart bodies", no_form, _multiparts, MAY_WORK)
    yield RequestAttack("bodies over the limit", "413, noticed while it streams.", _too_large, frozenset({400, 413}))
    one = "One request, one answer; what is ambiguous is refused."
    yield RequestAttack("smuggled and malformed requests", one, _smuggling, MAY_WORK)
    yield RequestAttack("other methods", "Each route answers its own methods alone.", _methods, MAY_WORK)
    yield RequestAttack("files beside the API page", "The API page serves its own files alone.", _documents, MAY_WORK)
    yield RequestAttack("ranges", "A range is within the file, or 416.", _ranges, MAY_WORK)
    given = "Session ids are given, never taken."
    yield RequestAttack("a session id of one's own choice", given, _chosen_sessions, frozenset({200, 400}))
    idle = "They hold nobody up."
    yield RequestAttack("two hundred idle and half-sent connections", idle, _idle_connections, frozenset({200}))
    yield RequestAttack("clients that leave", "A run ends with its client.", _leaving, frozenset({200, 429}))


def _credentials(arena: Arena) -> Sent:
    path = f"/files/{arena.neighbour.session_id}"
    key = arena.target.key
    claims = {"iss": "librechat", "aud": "codeapi", "sub": "admin", "exp": 9999999999}
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)
    )
    pairs = [base64.b64encode(pair).decode() for pair in (b"admin:admin", b":", b"\xff\xfe:\xff")]
    values = ["", "x", f"{unsigned}.", f"{unsigned}.x", "x" * 20000, "null", key[:-1], f"{key} x"]
    values = [*(f"Bearer {value}" for value in values), *(f"Basic {pair}" for pair in pairs)]
    for value in (*values, "Basic ", "Basic \xff", "Digest x", "bearer"):
        yield value, arena.target.call("GET", path, None, {"Authorization": value, "X-API-Key": ""})
    for value in ("", " ", "x", key[:-1], key.swapcase(), key + "x", "*", "null", "\xff"):
        yield value, arena.target.call("GET", path, None, {"X-API-Key": value})


def _bodies(arena: Arena) -> Sent:
    start = _TRUE[:-1]
    for body in (
        b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b"\xef\xbb\xbf" + _TRUE,
        start + b',"lang":"bash"' * 1000 + b"}", start + b',"timeout":NaN}', start + b',"timeout":Infinity}',
        start + b',"timeout":1e400}', start + b',"timeout":-0}', start + b',"timeout":' + b"9" * 5000 + b"}",
        start + b',"args":[' + b'"",' * 50_000 + b'""]}', start + b',"code":"\\ud800"}',
        start + b',"files":[' + b"{}," * 20_000 + b"{}]}", start + b',"args":["\\ud800\\u0000"]}',
    ):  # fmt: skip
        yield repr(body[:60]), arena.target.call("POST", "/exec", body, JSON)


def _encodings(arena: Arena) -> Sent:
    bomb = gzip.compress(bytes(64 << 20))
    for encoding in ("gzip", "deflate", "br", "gzip, gzip", "identity"):
        yield encoding, arena.target.call("POST", "/exec", bomb, {**JSON, "Content-Encoding": encoding})
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "application/json; charset=utf-7",
        "",
        "x" * 9000,
    ):
        yield kind, arena.target.call("POST", "/exec", b"<x/>", {"Content-Type": kind})


def _multiparts(arena: Arena) -> Sent:
    noise = random.Random(1).randbytes(60_000)  # noqa: S311  the same noise each time
    part = f"--b\r\n{_PART}"
    for route in _ROUTES:
        for name, text in tricks()["multipart"].items():
            (whole,) = filled(arena, [text.replace("@PARTS@", part * 3000).replace("@PART@", part)])
            body = whole.encode().replace(b"@NOISE@", noise)
            yield name, arena.target.call("POST", route, body, {"Content-Type": "multipart/form-data; boundary=b"})
        for boundary in ("", "; boundary=", "; boundary=" + "b" * 300, "; boundary=" + "b" * 60_000):
            kind = f"multipart/form-data{boundary}"
            yield kind, arena.target.call("POST", route, part.encode() + b"--b--\r\n", {"Content-Type": kind})


def _too_large(arena: Arena) -> Sent:
    body, kind = form({"big.bin": bytes((3 if arena.is_quick and arena.own else 30) << 20)})
    yield "upload", arena.target.call("POST", "/upload", body, {"Content-Type": kind})
    large = b'{"lang":"py","code":"' + b"x" * (65 << 20) + b'"}'
    yield "exec", arena.target.call("POST", "/exec", large, JSON)
    if not arena.is_quick:  # the service waits some seconds for the rest
        yield "announced", arena.target.call("POST", "/exec", b"{}", {**JSON, "Content-Length": str(1 << 62)})


def _smuggling(arena: Arena) -> Sent:
    key = f"X-API-Key: {arena.target.key}\r\nHost: x\r\n\r\n"
    second = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    for name, head in tricks()["smuggling"].items():
        (filled_head,) = filled(arena, [head])
        got = arena.target.raw((filled_head + key + second).encode(), _SECONDS)
        lines = [line.split() for line in got.splitlines() if line.startswith(b"HTTP/1.")]
        # without an answer the connection was closed, which is a refusal too
        yield name, Answer(max((int(line[1]) for line in lines if len(line) > 1), default=400), {}, b"")


def _methods(arena: Arena) -> Sent:
    for method in ("TRACE", "OPTIONS", "PUT", "PATCH", "PROPFIND", "HEAD", "DELETE", "LOCK"):
        for path in ("/exec", "/upload", f"/files/{arena.neighbour.session_id}", "/healthz"):
            yield f"{method} {path}", arena.target.call(method, path)


def _documents(arena: Arena) -> Sent:
    found = tricks()
    for below in ("/swagger/", "/docs/", "/static/", "/swagger//", "/openapi.json/", "/v1/swagger/"):
        for trick in filled(arena, (*found["paths"], *found["documents"])):
            yield below + trick, arena.target.call("GET", below + trick, None, {"X-API-Key": ""})


def _ranges(arena: Arena) -> Sent:
    uploaded = arena.target.upload({"f.txt": b"0123456789"})
    path = f"/download/{uploaded['session_id']}/{uploaded['files'][0]['fileId']}"
    for wanted in filled(arena, tricks()["ranges"]):
        yield wanted, arena.target.call("GET", path, None, {"Range": wanted})


def _chosen_sessions(arena: Arena) -> Sent:
    neighbours = arena.neighbour.session_id
    for chosen in ("A" * 21, "a" * 20 + "-", neighbours.swapcase(), neighbours[:-1] + "_", "0" * 21):
        body = json.dumps({"lang": "bash", "code": "ls -A /mnt/data", "session_id": chosen}).encode()
        answer = arena.target.call("POST", "/exec", body, JSON)
        if answer.status == 200 and (answer.json()["session_id"] == chosen or answer.json()["stdout"]):
            answer = Answer(500, {}, b"the chosen session was taken")
        yield chosen, answer


def _connected(arena: Arena, held: ExitStack) -> socket.socket:
    host = urlsplit(arena.target.url).hostname or ""
    return held.enter_context(socket.create_connection((host, arena.target.port), timeout=5))


def _idle_connections(arena: Arena) -> Sent:
    start = b"POST /exec HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-API-Key: x\r\n\r\n{"
    with ExitStack() as held:
        for number in range(200):
            sock = _connected(arena, held)
            if number % 2:
                sock.sendall(start[: 20 + number % 60])
        yield "a run meanwhile", arena.target.call("POST", "/exec", _TRUE, JSON)
        yield "health meanwhile", arena.target.call("GET", "/healthz")


def _leaving(arena: Arena) -> Sent:
    body = b'{"lang":"bash","code":"sleep 300"}'
    lines = ["POST /exec HTTP/1.1", "Host: x", f"X-API-Key: {arena.target.key}", "Content-Type: application/json"]
    request = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    for _ in range(6):
        with suppress(OSError), ExitStack() as held:
            for number in range(4):
                _connected(arena, held).sendall(request if number % 2 else request[:-10])
        yield "a run after", arena.target.call("POST", "/exec", _TRUE, JSON)
