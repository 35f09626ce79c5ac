#!/usr/bin/env bash
# Print the path of the Python to build with: $PYTHON if set, else the newest one on PATH that fits.
set -uo pipefail
here=$(dirname "$0")

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" || echo "$PYTHON"
    else
        # All of a name, not only the first: a pyenv shim may refuse what /usr/bin has.
        type -aP python3.13 python3.12 python3.11 python3
    fi
}

hidden=
while read -r candidate; do
    path=$("$candidate" "$here/probe_python.py" 2>/dev/null)
    case $? in
        0) echo "$path"; exit 0 ;;
        4) hidden=${hidden:-$path} ;;
    esac
done < <(candidates)

if [ -n "$hidden" ]; then
    echo "Note: only root can read $hidden. The local engine runs programs as an unprivileged user" >&2
    echo "and will not reach it: install Python system-wide, or name another one: make PYTHON=/path/to/python3." >&2
    echo "$hidden"
    exit 0
fi

echo "No Python 3.11, 3.12 or 3.13 found${PYTHON:+ at $PYTHON}." >&2
echo "Install one (Debian 12, Ubuntu 24.04 and later: apt-get install python3 python3-venv)," >&2
echo "or name it: make PYTHON=/path/to/python3." >&2
exit 1
