"""Be one replica of the service: ``python -m tests.replicas.replica PORT``, with its settings in the environment.

Orphans are swept after seconds instead of ten minutes, so that a test can see it; all else is as it is.
"""

from __future__ import annotations

import sys

import uvicorn

import app.engines.daytona.engine as daytona
from tests.replicas.times import ORPHAN_SECONDS

if __name__ == "__main__":
    daytona.ORPHAN_SECONDS = ORPHAN_SECONDS
    uvicorn.run("app.main:app", host="127.0.0.1", port=int(sys.argv[1]))
