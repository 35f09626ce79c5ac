#!/usr/bin/env bash
# Everything that `make test` checks, the quick checks first. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

step() {
    echo "── $*"
    "$bin/$@"
}

step ruff check .
step ruff format --check .
step mypy --strict
step lint-imports --no-logo
step pytest "$@"
