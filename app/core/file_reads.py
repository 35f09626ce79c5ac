"""Programs that read one file for LibreChat, whose output is written back: they give the whole file or nothing (K23).

LibreChat's edit_file runs ``cat 'path'``, replaces a text in what it receives, and writes the result to the file. It
takes any stdout for the file's content, whatever the status says, and reports a failure only when stdout is empty and
stderr is not.
"""

from __future__ import annotations

import re

from app.core.languages import Language
from app.runner.endings import Ending
from app.runner.messages import Reply

_LITERAL_WORD = r"""(?:'[^']*'|"[^"$`\\]*"|\\[^\n]|[^\s'"\\$`*?\[\]{}~!\#&|;<>()-]|(?<=[^\s])-)+"""
"""A word of bash that stands for itself: no expansion, no option."""

_CAT_ONE_FILE = re.compile(rf"\s*cat[ \t]+(?:--[ \t]+)?{_LITERAL_WORD}\s*")


def reads_one_file(language: Language, source: str, args: list[str]) -> bool:
    """Whether a program is nothing but ``cat`` of one file, as LibreChat's helper sends it."""
    return language.name == "bash" and not args and _CAT_ONE_FILE.fullmatch(source) is not None


def withhold_damaged_file(reply: Reply) -> str | None:
    """Remove a content that is not exactly the file's, and return the reason."""
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
