#!/usr/bin/env bash
# apt_install.sh PACKAGE...: install Debian packages if we may; else print the one line that does it.
set -euo pipefail

if ! command -v apt-get >/dev/null; then
    echo "Missing, and this system has no apt-get. Please install what Debian calls: $*" >&2
    exit 1
fi

if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo=sudo
else
    line="apt-get install -y --no-install-recommends $*"
    echo "Missing. Please run this line, then the same make command again:" >&2
    if command -v sudo >/dev/null; then
        echo "    sudo $line" >&2
    else
        # With root's PATH, without which dpkg finds none of its programs.
        echo "    su - -c '$line'" >&2
    fi
    exit 1
fi

echo "Installing with apt-get: $*" >&2
# A failed update is not the end: the lists at hand may be good enough.
$sudo apt-get update -qq >/dev/null || true
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
