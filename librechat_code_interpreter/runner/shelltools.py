"""Tool functions of a bash program: one per tool, read by every bash of the program before its first line.

``tool_channel`` defines how a call is made. The functions must work with any settings of the program: ``-euo
pipefail``, ``IFS``, ``-f``, its own ``cat``. ``BASH_ENV`` loads them, so the lines of the program keep their numbers.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

_CALL = r"""
__call_tool() {
  builtin local - IFS=$' \t\n' LC_ALL=C
  builtin set +eux
  if (( $# > 2 )); then
    builtin printf '%s: give one JSON object as the one argument\n' "$1" >&2
    builtin return 1
  fi
  builtin local id="$BASHPID-$RANDOM$RANDOM" pipe status size
  if ! builtin printf '%s text\n%s' "$1" "${2-}" > "$__TOOLS/$id.call" \
    || ! builtin command -p mkfifo "$__TOOLS/$id"; then
    builtin printf '%s: tools cannot be called any more\n' "$1" >&2
    builtin return 1
  fi
  builtin exec {pipe}<> "$__TOOLS/$id"
  builtin printf '\n%s\n' "$id" > "$__TOOLS/calls"
  builtin read -r status size <&"$pipe"
  if (( status )); then
    builtin command -p head -c "$size" <&"$pipe" >&2
  else
    builtin command -p head -c "$size" <&"$pipe"
  fi
  builtin exec {pipe}>&-
  builtin return "$status"
}
"""


def write(directory: str, functions: Iterable[str]) -> str:
    """Write the file for ``BASH_ENV`` into the channel's directory; return its path. Raises ``OSError``."""
    path = os.path.join(directory, "functions")
    lines = [f"__TOOLS={shlex.quote(directory)}\n", _CALL]
    lines += [f'{function}() {{ __call_tool {function} "$@"; }}\n' for function in functions]
    with open(path, "x", encoding="ascii") as file:
        file.writelines(lines)
    return path
