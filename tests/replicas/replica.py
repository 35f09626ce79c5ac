"""One replica of the service: ``python -m tests.replicas.replica PORT``, with its settings in the environment.

Locks run out and orphans are swept sooner than in earnest, so that a test can see it; all else is as it is.
"""

from __future__ import annotations

import sys

import uvicorn

from librechat_code_interpreter.engines.daytona import client, orphans, registry
from librechat_code_interpreter.leases.redis import RedisLeases
from tests.replicas import times

if __name__ == "__main__":
    for module, name in (
        (client, "CREATE_SECONDS"), (registry, "PREPARE_SECONDS"), (orphans, "ORPHAN_SECONDS"),
    ):  # fmt: skip
        assert hasattr(module, name)
        setattr(module, name, getattr(times, name))
    defaults = RedisLeases.__init__.__kwdefaults__
    assert defaults is not None
    defaults["lock_seconds"] = times.LOCK_SECONDS
    uvicorn.run("app.main:app", host="127.0.0.1", port=int(sys.argv[1]))
