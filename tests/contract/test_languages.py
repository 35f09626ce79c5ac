"""Languages, their aliases and their arguments (K14)."""

from __future__ import annotations

import pytest

from tests.contract.caller import Caller

HELLO = {
    "py": "print('hello')",
    "js": "console.log('hello')",
    "ts": "const word: string = 'hello'; console.log(word)",
    "c": '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }',
    "cpp": '#include <iostream>\nint main() { std::cout << "hello\\n"; }',
    "java": 'public class Main { public static void main(String[] args) { System.out.println("hello"); } }',
    "php": '<?php echo "hello\\n";',
    "rs": 'fn main() { println!("hello"); }',
    "go": 'package main\nimport "fmt"\nfunc main() { fmt.Println("hello") }',
    "d": 'import std.stdio; void main() { writeln("hello"); }',
    "f90": 'program p\nwrite(*,"(a)") "hello"\nend program',
    "r": 'cat("hello\\n")',
    "bash": "echo hello",
}
ALWAYS = ("py", "js", "ts", "bash")
ALIASES = {
    "py": ["python", "Python", "python3", "PY"],
    "js": ["javascript", "JavaScript", "node", "nodejs"],
    "ts": ["typescript", "TypeScript"],
    "bash": ["sh", "shell", "BASH"],
    "cpp": ["c++", "C++"],
    "rs": ["rust"],
    "go": ["golang"],
    "f90": ["fortran"],
    "r": ["R"],
}
SHOW_ARGUMENTS = {
    "py": "import sys\nfor a in sys.argv[1:]: print(f'<{a}>')",
    "js": "for (const a of process.argv.slice(2)) console.log(`<${a}>`)",
    "node": "for (const a of process.argv.slice(2)) console.log(`<${a}>`)",
    "ts": "for (const a of process.argv.slice(2) as string[]) console.log(`<${a}>`)",
    "bash": 'for a in "$@"; do echo "<$a>"; done',
    "c": '#include <stdio.h>\nint main(int n, char **v) { for (int i = 1; i < n; i++) printf("<%s>\\n", v[i]); }',
    "cpp": '#include <cstdio>\nint main(int n, char **v) { for (int i = 1; i < n; i++) printf("<%s>\\n", v[i]); }',
}
ARGUMENTS = ["plain", "two words", "", "--flag=é", '"$HOME"', "*"]


def lacks_toolchain(stdout: str, stderr: str) -> bool:
    """Tell whether an answer says, in one line and nothing else, that the language is not there."""
    return stdout == "" and stderr.count("\n") == 1 and "not installed in this sandbox" in stderr


@pytest.mark.parametrize("lang", HELLO)
async def test_every_language_runs_or_says_in_one_line_that_it_is_not_there(caller: Caller, lang: str) -> None:
    """K14: py, js, ts and bash always run; of the others a missing toolchain is a 200 with one clear line on stderr."""
    answer = await caller.exec(HELLO[lang], lang)
    if lang not in ALWAYS and lacks_toolchain(answer["stdout"], answer["stderr"]):
        return
    assert (answer["stdout"], answer["stderr"]) == ("hello\n", "")


@pytest.mark.parametrize(("lang", "alias"), [(lang, alias) for lang, each in ALIASES.items() for alias in each])
async def test_aliases_work_in_any_case(caller: Caller, lang: str, alias: str) -> None:
    """K14: the usual other names of a language are known, in any case."""
    answer = await caller.exec(HELLO[lang], alias)
    assert answer["stdout"] == "hello\n" or lacks_toolchain(answer["stdout"], answer["stderr"])
    assert answer["stdout"] == "hello\n" or lang not in ALWAYS


@pytest.mark.parametrize("lang", ["cobol", "", "py thon", "../py", "brainfuck"])
async def test_an_unknown_language_is_a_bad_request(caller: Caller, lang: str) -> None:
    """K14, K42: 400 that names the field."""
    answer = await caller.http.post("/exec", json={"lang": lang, "code": "x"})
    assert answer.status_code == 400
    assert "lang" in answer.json()["message"]


@pytest.mark.parametrize("lang", SHOW_ARGUMENTS)
async def test_arguments_reach_the_program_unchanged(caller: Caller, lang: str) -> None:
    """K14: ``args`` work in every language that is there: blanks, empty ones, quotes, Unicode, wildcards."""
    answer = await caller.exec(SHOW_ARGUMENTS[lang], lang, args=ARGUMENTS)
    if lang not in ALWAYS and lacks_toolchain(answer["stdout"], answer["stderr"]):
        return
    assert answer["stdout"] == "".join(f"<{argument}>\n" for argument in ARGUMENTS), answer["stderr"]


@pytest.mark.parametrize("args", [None, []])
async def test_no_arguments_are_fine(caller: Caller, args: list[str] | None) -> None:
    """K14: ``args`` may be null or empty."""
    assert (await caller.exec(SHOW_ARGUMENTS["bash"], "bash", args=args))["stdout"] == ""


@pytest.mark.parametrize("lang", ["js", "ts"])
@pytest.mark.parametrize(
    "code",
    [
        "const fs = require('fs'); console.log(fs.existsSync('/mnt/data'))",
        "import fs from 'node:fs'; console.log(fs.existsSync('/mnt/data'))",
        "import { existsSync } from 'fs'; const p = await Promise.resolve('/mnt/data'); console.log(existsSync(p))",
    ],
)
async def test_modules_come_by_require_and_by_import(caller: Caller, lang: str, code: str) -> None:
    """K14: CommonJS, ES modules and top-level await all work."""
    answer = await caller.exec(code, lang)
    assert (answer["stdout"], answer["stderr"]) == ("true\n", "")


@pytest.mark.parametrize("lang", ["js", "ts", "node"])
async def test_a_script_imports_the_users_files_and_leaves_no_source(caller: Caller, lang: str) -> None:
    """K14, K20: a module in the workspace can be required, and the program's own text is not among the outputs."""
    answer = await caller.exec("console.log(require('./lib.js').six * 7)", lang, files=[await library(caller)])
    assert (answer["stdout"], answer["files"]) == ("42\n", []), answer["stderr"]


async def library(caller: Caller) -> dict[str, str]:
    """Upload a small module."""
    return await caller.upload_one("lib.js", b"module.exports = { six: 6 }\n")


async def test_typescript_has_its_own_syntax(caller: Caller) -> None:
    """K14: enums, interfaces and generics run without a compiler in sight."""
    code = "enum E { A = 1, B }\ninterface P { n: number }\nconst f = <T,>(x: T): T => x;\nconst p: P = { n: E.B };\n"
    assert (await caller.exec(code + "console.log(f(p.n))", "ts"))["stdout"] == "2\n"


async def test_a_users_own_file_of_the_sources_name_is_safe(caller: Caller) -> None:
    """K14, K20: main.py, main.js and main.ts of the user's are read and kept like any other file."""
    for lang, name, code in [
        ("py", "main.py", "print(open('main.py').read())"),
        ("js", "main.js", "console.log(require('fs').readFileSync('main.js', 'utf8'))"),
        ("ts", "main.ts", "import fs from 'fs'; console.log(fs.readFileSync('main.ts', 'utf8'))"),
    ]:
        ref = await caller.upload_one(name, b"mine")
        answer = await caller.exec(code, lang, files=[ref])
        assert (answer["stdout"], answer["files"]) == ("mine\n", [])
