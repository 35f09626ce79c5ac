#!/usr/bin/env bash
# Install what the tests need: the sandbox runtime, and at the same time everything beside it. Each waits for downloads.
set -euo pipefail
here=$(dirname "$0")
runtime=("$here/../.venv/bin/python" -I "$here/../sandbox/install.py" "$here/../.sandbox")

"${runtime[@]}" &
building=$!
trap wait EXIT
"$here/test_tools.sh"
wait "$building"
"${runtime[@]}" # once more, for what it makes of compilers that have come meanwhile
