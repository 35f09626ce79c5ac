"""What the words after `jq` ask for. Their order is freer than argparse allows."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from libjq import ASCII, COLOR, INVALID, PRETTY, SORTED, TAB, Jv, content, kind_of, lib, string

USAGE_ERROR = 2
SHORT = {
    "n": "null-input", "R": "raw-input", "s": "slurp", "c": "compact-output", "r": "raw-output",
    "j": "join-output", "a": "ascii-output", "S": "sort-keys", "C": "color-output", "M": "monochrome-output",
    "e": "exit-status", "f": "from-file", "L": "library-path", "h": "help", "V": "version", "b": "binary",
}  # fmt: skip
LONG = {*SHORT.values(), "raw-output0", "tab", "unbuffered", "stream", "stream-errors", "seq"}
NAMED = ("arg", "argjson", "slurpfile", "rawfile")
WITH_VALUES = {**dict.fromkeys(NAMED, 2), "indent": 1, "from-file": 1, "library-path": 1}
USAGE = """Usage: jq [OPTIONS] FILTER [FILES...]
       jq [OPTIONS] --args FILTER [STRINGS...]
       jq [OPTIONS] --jsonargs FILTER [JSON...]
The options are those of jq 1.8; see the manual of jq."""


@dataclass
class CommandLine:
    """The options, the filter and what it works on."""

    switches: set[str] = field(default_factory=set)
    filter: str | None = None
    files: list[str] = field(default_factory=list)
    library_paths: list[str] = field(default_factory=list)
    indent: int = 2
    named: dict[str, Jv] = field(default_factory=dict)
    positional: list[Jv] = field(default_factory=list)
    plain_words: str = "files"

    def __post_init__(self) -> None:
        """Read the words of the process."""
        words = iter(sys.argv[1:])
        for word in words:
            if word == "--":
                for plain in words:
                    self.take_plain(plain)
            elif not word.startswith("-") or word == "-":
                self.take_plain(word)
            elif word.startswith("--"):
                self.take_option(word[2:], words)
            else:
                for letter in word[1:]:
                    self.take_option(SHORT.get(letter, letter), words)

    def take_plain(self, word: str) -> None:
        """Place a word that is no option: the filter first, then files or the program's arguments."""
        if self.filter is None and "from-file" not in self.switches:
            self.filter = word
        elif self.plain_words == "files":
            self.files.append(word)
        else:
            self.positional.append(string(word) if self.plain_words == "args" else parsed(word, "jsonargs"))

    def take_option(self, name: str, words: Iterator[str]) -> None:
        """Take one option with the words that belong to it."""
        values = [word for _, word in zip(range(WITH_VALUES.get(name, 0)), words, strict=False)]
        if len(values) < WITH_VALUES.get(name, 0):
            fail(f"--{name} takes {WITH_VALUES[name]} parameter(s)")
        if name in ("args", "jsonargs"):
            self.plain_words = name
        elif name == "indent":
            self.indent = indentation(values[0])
        elif name == "library-path":
            self.library_paths.append(values[0])
        elif name in NAMED:
            self.named.setdefault(values[0], named_value(name, values[1]))
        elif name in LONG:
            self.switches.add(name)
            if name == "from-file":
                # A word that was taken for the filter was the first file.
                self.files = [*([self.filter] if self.filter is not None else []), *self.files]
                self.filter = content(loaded(values[0], "from-file", raw=True)).decode()
        else:
            fail(f"Unknown option: {name}\n{USAGE}")

    def __contains__(self, switch: str) -> bool:
        """Return whether a switch was given."""
        return switch in self.switches

    def print_flags(self) -> int:
        """Translate the options of style into libjq's flags."""
        if "compact-output" in self or self.indent == 0:
            style = 0
        else:
            style = TAB | PRETTY if "tab" in self else self.indent << 8 | PRETTY
        switches = {"ascii-output": ASCII, "sort-keys": SORTED, "color-output": COLOR}
        return style | sum(flag for switch, flag in switches.items() if switch in self)


def fail(message: str) -> NoReturn:
    """Return what is wrong with the command line and end as jq does."""
    print(f"jq: error: {message}", file=sys.stderr)
    raise SystemExit(USAGE_ERROR)


def indentation(text: str) -> int:
    """Return the number of spaces that --indent asks for."""
    if not text.isdigit() or int(text) > 7:
        fail("--indent takes a number from 0 to 7")
    return int(text)


def named_value(option: str, value: str) -> Jv:
    """Return the value of `--arg NAME VALUE` and its kin."""
    if option == "arg":
        return string(value)
    return parsed(value, option) if option == "argjson" else loaded(value, option, raw=option == "rawfile")


def parsed(text: str, origin: str) -> Jv:
    """Parse a JSON argument; a bad one ends the program."""
    value: Jv = lib.jv_parse(os.fsencode(text))
    if kind_of(value) == INVALID:
        fail(f"Invalid JSON text passed to --{origin}")
    return value


def loaded(path: str, origin: str, *, raw: bool) -> Jv:
    """Read a file as one string or as an array of the JSON values in it."""
    value: Jv = lib.jv_load_file(os.fsencode(path), int(raw))
    if kind_of(value) == INVALID:
        reason = content(lib.jv_invalid_get_msg(value)).decode(errors="replace")
        fail(f"Bad JSON in --{origin} {path}: {reason}")
    return value
