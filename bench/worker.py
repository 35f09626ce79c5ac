"""One contender in a process of its own: requests as JSON lines on stdin, answers on stdout.

    {"open": {"place": {…}, "case": "print", "at_once": 8}}   -> {"ok": true} or {"cannot": "why"}
    {"sample": {"count": 20, "cap_seconds": 3}}               -> {"sample": {…}, "self_seconds": CPU of this process}
    {"close": {}}                                             -> {"ok": true}

Run as `python -m bench.worker <contender>`, by the service's Python or by that of the rivals.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any

from bench.contenders import CANNOT, CONTENDERS, Call, Contender, Place
from bench.measure import sample
from bench.programs import BY_NAME


class Worker:
    """Process requests, one after the other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack = contextlib.ExitStack()
        self._call: Call | None = None
        self._at_once = 1

    def open(self, place: dict[str, Any], case: str, at_once: int) -> dict[str, Any]:
        """Get ready for a case."""
        reason = CANNOT.get((self._name, case))
        if reason is not None:
            return {"cannot": reason}
        self._at_once = at_once
        opening = _contender(self._name)(Place(**place), BY_NAME[case], at_once)
        self._call = self._stack.enter_context(opening)
        return {"ok": True}

    def sample(self, count: int, cap_seconds: float) -> dict[str, Any]:
        """Measure."""
        assert self._call is not None  # noqa: S101  opened before
        before = time.process_time()
        taken = sample(self._call, count, self._at_once, cap_seconds)
        return {"sample": taken.to_json(), "self_seconds": time.process_time() - before}

    def close(self) -> dict[str, Any]:
        """Close sessions and kernels."""
        self._stack.close()
        return {"ok": True}


def _contender(name: str) -> Contender:
    """Return a contender by name; the rivals are imported where they are installed only."""
    if name in CONTENDERS:
        return CONTENDERS[name]
    from bench import rivals

    return rivals.RIVALS[name]


def main(name: str) -> None:
    """Serve until stdin ends. What a library prints goes to stderr: stdout is for answers."""
    answers = sys.stdout
    worker = Worker(name)
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            ((verb, arguments),) = json.loads(line).items()
            try:
                answer = getattr(worker, verb)(**arguments)
            except Exception as error:  # noqa: BLE001  a rival may raise anything; the orchestrator notes it
                answer = {"error": f"{type(error).__name__}: {error}"[:300]}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    worker.close()


if __name__ == "__main__":
    main(sys.argv[1])
