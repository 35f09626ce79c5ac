#!/usr/bin/env bash
# Pin what pyproject.toml and sandbox/packages.txt ask for, with hashes, for every Python we support.
# Existing pins are kept where they still fit; `make lock UPGRADE=1` takes the newest releases.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/make_venv.sh .cache/lock uv==0.13.9

compile() {
    .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        ${UPGRADE:+--upgrade} "$@"
}

compile pyproject.toml --output-file requirements.txt
compile pyproject.toml --group dev --constraints requirements.txt --output-file requirements-dev.txt
compile sandbox/packages.txt --output-file sandbox/packages.lock
# an environment of its own: the daytona SDK and moto want different releases of python-dateutil
compile tests/stores/moto.txt --output-file tests/stores/moto.lock
compile tests/fuzz/schemathesis.txt --output-file tests/fuzz/schemathesis.lock
# binaries, and Kubernetes' schemas: 700 MB that nobody but one directory of tests needs
compile tests/deploy/tools.txt --output-file tests/deploy/tools.lock
# what looks at the other locks: tools/audit.py, tools/sbom.py, tools/licences.py
compile tools/supply.txt --output-file tools/supply.lock
# the rivals of `make bench`: what they need must not decide what the service gets
compile bench/rivals.txt --output-file bench/rivals.lock
