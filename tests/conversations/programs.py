"""Programs as a model writes them, and the tool calls that each generation of clients makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

READ_FILE = "read_file"
INTERPRETERS = {"py": "python3 -", "js": "node -", "r": "Rscript -"}


@dataclass(frozen=True)
class Program:
    """A program in a language of the contract, or a path with the pseudo-language `READ_FILE`."""

    lang: str
    code: str

    def call(self, generation: str) -> dict[str, Any]:
        """Return the call: of execute_code, or from LibreChat v0.8.6 on of bash_tool with a heredoc (K14)."""
        if self.lang == READ_FILE:
            return {"name": READ_FILE, "args": {"file_path": self.code}}
        if generation == "old":
            return {"name": "execute_code", "args": {"lang": self.lang, "code": self.code}}
        return {"name": "bash_tool", "args": {"command": self._command()}}

    def _command(self) -> str:
        if self.lang == "bash":
            return self.code
        return f"{INTERPRETERS[self.lang]} <<'PROGRAM'\n{self.code.rstrip()}\nPROGRAM"


def read_file(path: str) -> Program:
    """Make a call of read_file, which releases from v0.8.6 on have."""
    return Program(READ_FILE, path)
