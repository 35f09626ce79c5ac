"""Programs that read one file for LibreChat, which writes the output back: complete content or nothing (K23).

LibreChat's edit_file runs ``cat 'path'``, replaces a text in what it receives, and writes the result to the file. It
takes any stdout as the file's content, whatever the status says. It reports a failure only if stdout is empty and
stderr is not.
"""

from __future__ import annotations

import re

from librechat_code_interpreter.core.languages import Language
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply

_LITERAL_WORD = r"""(?:'[^']*'|"[^"$`\\]*"|\\[^\n]|[^\s'"\\$`*?\[\]{}~!\#&|;<>()-]|(?<=[^\s])-)+"""
"""A literal word of bash: no expansion, no option."""

_CAT_ONE_FILE = re.compile(rf"\s*cat[ \t]+(?:--[ \t]+)?{_LITERAL_WORD}\s*")


def reads_one_file(language: Language, source: str, args: list[str]) -> bool:
    """Return whether a program is only ``cat`` of one file, as LibreChat's helper sends it."""
    return language.name == "bash" and not args and _CAT_ONE_FILE.fullmatch(source) is not None


def withhold_damaged_file(reply: Reply) -> str | None:
    """Clear a stdout that is not exactly the file's content, and return the reason; else return ``None``."""
    if reply.ending is Ending.OUTPUT:
        reason = "The file is larger than the limit of stdout"
    elif reply.ending is not Ending.OK and reply.stdout:
        reason = "The file was not read to its end"
    elif not reply.stdout_is_utf8:
        reason = "The file is not UTF-8 text"
    else:
        return None
    reply.stdout = ""
    return f"{reason}. Nothing of it is shown, because an edit would replace the file by what is shown"
