"""The service with one change: sandboxes without a lease are swept after seconds, not minutes."""

from __future__ import annotations

import os

import uvicorn

import librechat_code_interpreter.engines.local.engine as local

if __name__ == "__main__":
    local.ORPHAN_SECONDS = 2.0
    uvicorn.run("app.main:app", port=int(os.environ["PORT"]))
