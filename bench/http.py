"""HTTP client: one connection for each request, as LibreChat's clients make them. Standard library only."""

from __future__ import annotations

import http.client
import json
from typing import Any

from bench.measure import Failed, Refused
from bench.programs import Case

_BUSY = 429
_SECONDS = 300


def ask(port: int, key: str, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Send one request and return status and body. Raises ``OSError``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise Failed(repr(error)) from error
    finally:
        connection.close()


def execute(port: int, key: str, lang: str, code: str, **more: Any) -> dict[str, Any]:
    """Run a program and return the answer. Raises ``Refused`` for a 429 and ``Failed`` for all else but success."""
    status, content = ask(port, key, "POST", "/exec", {"lang": lang, "code": code, **more})
    if status == _BUSY:
        raise Refused
    if status != http.client.OK:
        raise Failed(f"HTTP {status} {content[:150]!r}")
    answer: dict[str, Any] = json.loads(content)
    if answer.get("code") != 0:
        raise Failed(f"code {answer.get('code')}: {answer.get('stderr', '')[-150:]}")
    return answer


def run_case(port: int, key: str, case: Case) -> None:
    """Run a case and check its output and files. Raises ``Failed`` and ``Refused``."""
    answer = execute(port, key, case.lang, case.code)
    if answer["stdout"].strip() != case.prints:
        raise Failed(f"printed {answer['stdout'][:100]!r}")
    if case.leaves and case.leaves not in [file["name"] for file in answer["files"]]:
        raise Failed(f"{case.leaves} did not come back")
