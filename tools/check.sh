#!/usr/bin/env bash
# Everything that `make test` checks, the quick checks first. Arguments go to pytest, which then runs one test at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

step() {
    echo "── $*"
    "$bin/$@"
}

"$bin/python" -m tests.clients.npm & # a core is free while the quick checks run
trap wait EXIT
step ruff check .
step ruff format --check .
step mypy --strict
step lint-imports --no-logo
if (( $# )); then
    step pytest "$@"
    exit
fi
step pytest -q -n 2 --dist loadfile --ignore tests/attack --ignore tests/bench
step pytest -q tests/attack tests/bench  # these look at the whole machine, so they come after and alone
