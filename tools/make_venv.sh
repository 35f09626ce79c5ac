#!/usr/bin/env bash
# make_venv.sh DIR WHAT...: make the virtual environment DIR unless it is there, and have pip install WHAT in it.
set -euo pipefail
here=$(dirname "$0")
venv=$1
shift

create() {
    local python=$1 output
    output=$("$python" -m venv --clear "$venv" 2>&1) && return
    # Debian and Ubuntu split ensurepip off into a package of its own.
    if [[ $output != *ensurepip* ]]; then
        echo "$output" >&2
        return 1
    fi
    "$here/apt_install.sh" "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    "$python" -m venv --clear "$venv"
}

# Also true when the Python it was made from is gone.
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    python=$("$here/pick_python.sh")
    echo "Making $venv with $python"
    create "$python"
fi

# A lock is installed as it was locked, or not at all.
[ "$1" != -r ] || set -- --require-hashes "$@"

echo "Installing in $venv: $*"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
