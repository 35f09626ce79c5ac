"""List the languages (K14). Adding one is one entry here; the rest of the service asks this table."""

from __future__ import annotations

from dataclasses import dataclass

from app.runner.messages import Place, Program


@dataclass(frozen=True, slots=True)
class Language:
    """Say how programs of one language are written down, compiled and run.

    In the command lines ``{source}`` is the file, ``{workspace}`` the user's directory, ``{scratch}`` a private one
    that is gone after the run, ``{memory}`` the bytes of memory that a run has: a part that names it is left out where
    the engine does not tell.
    """

    name: str
    aliases: tuple[str, ...]
    filename: str
    run: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """What Debian calls the toolchain; empty where it comes with the sandbox runtime or with every Debian."""

    place: Place = "scratch"
    neutral: bool = False
    """Whether a session of any language may run it (K17)."""

    family: str | None = None
    """The language that a session is bound to by it, where that is another name for the same."""

    @property
    def bound_as(self) -> str:
        """Name what a session is bound to."""
        return self.family or self.name

    @property
    def tool(self) -> str:
        """Name the program without which the language is not there."""
        return (self.compile or self.run or ("python3",))[0]

    def program(self, source: str, args: list[str]) -> Program:
        """Put a program of this language into the runner's words."""
        return Program(source, self.filename, self.place, list(self.compile), list(self.run), args, language=self.name)


_JVM = ("-XX:MaxRAM={memory}", "-XX:MaxRAMPercentage=60", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""The sandbox hides the control group that would tell the JVM its memory; the last two save time at the start."""

_BINARY = ("{scratch}/program",)

LANGUAGES: tuple[Language, ...] = (
    Language("py", ("python", "python3"), "main.py", place="warm"),
    Language("js", ("javascript", "bun"), "main.js", ("bun", "run", "{source}"), place="workspace"),
    Language("ts", ("typescript",), "main.ts", ("bun", "run", "{source}"), place="workspace"),
    Language("node", ("nodejs", "node.js"), "main.js", ("node", "{source}"), place="workspace", family="js"),
    Language("bash", ("sh", "shell"), "main.sh", ("bash", "{source}"), neutral=True),
    Language(
        "c",
        (),
        "main.c",
        _BINARY,
        ("gcc", "-O1", "-I{workspace}", "{source}", "-o", "{scratch}/program", "-lm"),
        ("gcc", "libc6-dev"),
    ),
    Language(
        "cpp",
        ("c++", "cxx"),
        "main.cpp",
        _BINARY,
        ("g++", "-std=gnu++20", "-O1", "-I{workspace}", "{source}", "-o", "{scratch}/program"),
        ("g++",),
    ),
    Language(
        "java",
        (),
        "Main.java",
        ("java", *_JVM, "{source}"),  # takes a class of any name, which javac does not
        packages=("default-jdk-headless",),
    ),
    Language(
        "php",
        (),
        "main.php",
        ("php", "-d", "display_errors=stderr", "-d", "log_errors=0", "-d", "html_errors=0", "-f", "{source}", "--"),
        packages=("php-cli",),
        place="workspace",  # its programs say __DIR__ for the place of the user's files
    ),
    Language(
        "rs",
        ("rust",),
        "main.rs",
        _BINARY,
        ("rustc", "--edition=2021", "{source}", "-o", "{scratch}/program"),
        ("rustc",),
    ),
    Language(
        "go",
        ("golang",),
        "main.go",
        _BINARY,
        ("go", "build", "-o", "{scratch}/program", "{source}"),
        ("golang-go",),
    ),
    Language(
        "d",
        ("dlang",),
        "main.d",
        _BINARY,
        ("ldc2", "-I{workspace}", "{source}", "-of={scratch}/program"),
        ("ldc", "gcc", "libc6-dev"),
    ),
    Language(
        "f90",
        ("fortran", "f95"),
        "main.f90",
        _BINARY,
        ("gfortran", "-J{scratch}", "-I{workspace}", "{source}", "-o", "{scratch}/program"),
        ("gfortran",),
    ),
    Language("r", ("rscript",), "main.R", ("Rscript", "{source}"), packages=("r-base-core",)),
)

ALWAYS = frozenset({"py", "js", "ts", "bash"})
"""The languages that every installation has (K14)."""

_BY_NAME = {name: language for language in LANGUAGES for name in (language.name, *language.aliases)}


def find_language(name: str) -> Language | None:
    """Look a language up by any of its names, in any case."""
    return _BY_NAME.get(name.strip().lower())
