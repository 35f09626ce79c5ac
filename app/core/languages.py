"""List the languages (K14). Adding one is one entry here; the rest of the service asks this table."""

from __future__ import annotations

from dataclasses import dataclass

from app.runner.messages import Place, Program


@dataclass(frozen=True, slots=True)
class Language:
    """Say how programs of one language are written down, compiled and run.

    In the command lines ``{source}`` is the file, ``{scratch}`` a private directory that is gone after the run.
    """

    name: str
    aliases: tuple[str, ...]
    filename: str
    run: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    place: Place = "scratch"
    neutral: bool = False
    """Whether a session of any language may run it (K17)."""

    family: str | None = None
    """The language that a session is bound to by it, where that is another name for the same."""

    @property
    def bound_as(self) -> str:
        """Name what a session is bound to."""
        return self.family or self.name

    def program(self, source: str, args: list[str]) -> Program:
        """Put a program of this language into the runner's words."""
        return Program(source, self.filename, self.place, list(self.compile), list(self.run), args, language=self.name)


_BINARY = ("{scratch}/program",)

LANGUAGES: tuple[Language, ...] = (
    Language("py", ("python", "python3"), "main.py", place="warm"),
    Language("js", ("javascript", "bun"), "main.js", ("bun", "run", "{source}"), place="workspace"),
    Language("ts", ("typescript",), "main.ts", ("bun", "run", "{source}"), place="workspace"),
    Language("node", ("nodejs", "node.js"), "main.js", ("node", "{source}"), place="workspace", family="js"),
    Language("bash", ("sh", "shell"), "main.sh", ("bash", "{source}"), neutral=True),
    Language("c", (), "main.c", _BINARY, ("gcc", "-O1", "-I{workspace}", "{source}", "-o", "{scratch}/program", "-lm")),
    Language(
        "cpp",
        ("c++", "cxx"),
        "main.cpp",
        _BINARY,
        ("g++", "-O1", "-I{workspace}", "{source}", "-o", "{scratch}/program"),
    ),
    Language("java", (), "Main.java", ("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "{source}")),
    Language("php", (), "main.php", ("php", "{source}")),
    Language("rs", ("rust",), "main.rs", _BINARY, ("rustc", "{source}", "-o", "{scratch}/program")),
    Language("go", ("golang",), "main.go", ("go", "run", "{source}")),
    Language("d", ("dlang",), "main.d", _BINARY, ("ldc2", "{source}", "-of={scratch}/program")),
    Language("f90", ("fortran", "f95"), "main.f90", _BINARY, ("gfortran", "{source}", "-o", "{scratch}/program")),
    Language("r", ("rscript",), "main.R", ("Rscript", "{source}")),
)

_BY_NAME = {name: language for language in LANGUAGES for name in (language.name, *language.aliases)}


def find_language(name: str) -> Language | None:
    """Look a language up by any of its names, in any case."""
    return _BY_NAME.get(name.strip().lower())
