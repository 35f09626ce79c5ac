"""The supported languages (K14). To add one, add one entry here; the rest of the service reads this table."""

from __future__ import annotations

from dataclasses import dataclass

from librechat_code_interpreter.runner.messages import Place, Program


@dataclass(frozen=True, slots=True)
class Language:
    """A language: how its programs are stored, compiled and run.

    In the command lines ``{source}`` is the file and ``{workspace}`` the user's directory. ``{scratch}`` is a private
    directory that is deleted after the run. ``{memory}`` is the memory of a run in bytes; an argument that contains it
    is left out if the engine does not report the memory.
    """

    name: str
    aliases: tuple[str, ...]
    filename: str
    run: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """Debian packages of the toolchain; empty if it comes with the sandbox runtime or with every Debian."""

    place: Place = "scratch"
    neutral: bool = False
    """Whether it may run in a session of any language (K17)."""

    family: str | None = None
    """The language to which it binds a session, if not itself."""

    @property
    def bound_as(self) -> str:
        """The language to which a session is bound."""
        return self.family or self.name

    @property
    def tool(self) -> str:
        """The executable that the language needs."""
        return (self.compile or self.run or ("python3",))[0]

    def program(self, source: str, args: list[str]) -> Program:
        """Return a program of this language as a message for the runner."""
        return Program(source, self.filename, self.place, list(self.compile), list(self.run), args, language=self.name)


_JVM = ("-XX:MaxRAM={memory}", "-XX:MaxRAMPercentage=60", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""The JVM cannot read its memory limit, because the sandbox hides the control group. The last two shorten startup."""

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
        ("java", *_JVM, "{source}"),  # accepts a class of any name, which javac does not
        packages=("default-jdk-headless",),
    ),
    Language(
        "php",
        (),
        "main.php",
        ("php", "-d", "display_errors=stderr", "-d", "log_errors=0", "-d", "html_errors=0", "-f", "{source}", "--"),
        packages=("php-cli",),
        place="workspace",  # its programs use __DIR__ for the directory of the user's files
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

BY_NAME = {name: language for language in LANGUAGES for name in (language.name, *language.aliases)}


def find_language(name: str) -> Language | None:
    """Return the language with this name or alias, in any case, or ``None``."""
    return BY_NAME.get(name.strip().lower())
