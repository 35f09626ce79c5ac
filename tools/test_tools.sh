#!/usr/bin/env bash
# Make sure of what the tests need beyond our own packages: Node (for the emulator of Daytona), jq (to test with), a Redis
# server, Chromium, a clock to set, all thirteen languages, the programs that programs call, and in environments of their own
# moto's S3 server, schemathesis, and Compose, Helm and kin. LibreChat's real clients run under the sandbox runtime's Node.
set -euo pipefail
here=$(dirname "$0")

missing=()
command -v node >/dev/null || missing+=(nodejs)
[ -x /usr/bin/jq ] || missing+=(jq)
[ -x /usr/bin/redis-server ] || missing+=(redis-server)
command -v chromium chromium-browser google-chrome >/dev/null || missing+=(chromium)
compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null || missing+=(libfaketime)
[ ${#missing[@]} = 0 ] || "$here/apt_install.sh" "${missing[@]}"
"$here/debian.sh" languages
"$here/debian.sh" tools

own_environment() { # own_environment NAME LOCK
    local stamp=$here/../.cache/$1/.installed
    if [ "$2" -nt "$stamp" ]; then
        "$here/make_venv.sh" "$here/../.cache/$1" -r "$2"
        touch "$stamp"
    fi
}

own_environment moto "$here/../tests/stores/moto.lock"
own_environment schemathesis "$here/../tests/fuzz/schemathesis.lock"
own_environment deploy "$here/../tests/deploy/tools.lock"
own_environment supply "$here/supply.lock"
