#!/usr/bin/env bash
# debian.sh KIND: install what tools/debian_packages.py names, as far as it is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

is_installed() { [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing=()
for package in $(.venv/bin/python tools/debian_packages.py "$1"); do
    is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} = 0 ] || tools/apt_install.sh "${missing[@]}"
