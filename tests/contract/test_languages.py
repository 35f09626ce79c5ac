"""Languages, their aliases and their arguments (K14)."""

from __future__ import annotations

import pytest

from tests.contract.caller import Caller
from tests.languages import ARGUMENTS, DOES_NOT_COMPILE, FAILS, HELLO, SHOW_ARGUMENTS, SHOWN

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


@pytest.mark.parametrize("lang", HELLO)
async def test_every_language_runs(caller: Caller, lang: str) -> None:
    """K14: all thirteen; compilers and interpreters leave nothing on stderr or in the workspace."""
    answer = await caller.exec(HELLO[lang], lang)
    assert (answer["stdout"], answer["stderr"], answer["files"]) == ("hello\n", "", [])


@pytest.mark.parametrize(("lang", "alias"), [(lang, alias) for lang, each in ALIASES.items() for alias in each])
async def test_aliases_work_in_any_case(caller: Caller, lang: str, alias: str) -> None:
    """K14: the usual other names of a language are known, in any case."""
    assert (await caller.exec(HELLO[lang], alias))["stdout"] == "hello\n"


@pytest.mark.parametrize("lang", DOES_NOT_COMPILE)
async def test_a_compile_error_names_the_users_file(caller: Caller, lang: str) -> None:
    """K14, K18: compiler and parser errors are on stderr, with the file's name and line, and no path of the service."""
    code, expected = DOES_NOT_COMPILE[lang]
    answer = await caller.exec(code, lang)
    assert expected in "\n" + answer["stderr"]
    assert "/tmp" not in answer["stderr"]
    assert (answer["files"], answer["code"] == 0) == ([], False)


@pytest.mark.parametrize("lang", FAILS)
async def test_a_failure_keeps_the_output_and_names_the_users_file(caller: Caller, lang: str) -> None:
    """K14, K18: what was printed before is kept, and the reason is on stderr."""
    code, expected = FAILS[lang]
    answer = await caller.exec(code, lang)
    assert answer["stdout"] == "1\n"
    assert [part for part in expected if part not in answer["stderr"]] == []
    assert "/tmp" not in answer["stderr"]
    assert (answer["files"], answer["code"] == 0) == ([], False)


async def test_the_answer_of_a_compiled_program_is_its_own(caller: Caller) -> None:
    """K18: the exit code is the program's, which `go run` for one would hide."""
    answer = await caller.exec('package main\nimport "os"\nfunc main() { os.Exit(7) }', "go")
    assert (answer["code"], answer["stderr"]) == (7, "[sandbox] Exited with code 7\n")


async def test_a_php_program_finds_the_users_files_beside_itself(caller: Caller) -> None:
    """K14, K20: `require __DIR__ . '/lib.php'`, as PHP has it, and no source is left behind."""
    ref = await caller.upload_one("lib.php", b"<?php const SIX = 6;")
    answer = await caller.exec("<?php require __DIR__ . '/lib.php'; echo SIX * 7, \"\\n\";", "php", files=[ref])
    assert (answer["stdout"], answer["stderr"], answer["files"]) == ("42\n", "", [])


async def test_c_and_fortran_include_the_users_files(caller: Caller) -> None:
    """K14, K20: a header and a module in the workspace are found; a module's description is no output."""
    header = await caller.upload_one("six.h", b"#define SIX 6\n")
    code = '#include <stdio.h>\n#include "six.h"\nint main(void) { printf("%d\\n", SIX * 7); }'
    assert (await caller.exec(code, "c", files=[header]))["stdout"] == "42\n"
    module = "module m\ninteger :: six = 6\nend module\nprogram p\nuse m\nprint '(i0)', six * 7\nend program"
    answer = await caller.exec(module, "f90")
    assert (answer["stdout"], answer["files"]) == ("42\n", [])


async def test_java_collects_its_garbage_within_the_memory_limit(caller: Caller) -> None:
    """K18: the JVM knows the memory limit of a run: garbage above it is collected, live data above it ends the run."""
    churn = "class A { public static void main(String[] v) { long n = 0; %s for (int i = 0; i < 1536; i++) %s } }"
    garbage = churn % ("", "{ byte[] b = new byte[1 << 20]; b[i] = 1; n += b.length; } System.out.println(n >> 20);")
    answer = await caller.exec(garbage, "java")
    assert (answer["stdout"], answer["stderr"]) == ("1536\n", "")
    hoard = churn % ("var all = new java.util.ArrayList<byte[]>();", "all.add(new byte[1 << 20]);")
    assert "java.lang.OutOfMemoryError" in (await caller.exec(hoard, "java"))["stderr"]


async def test_go_compiles_nothing_but_the_program(caller: Caller) -> None:
    """K14: Go's standard library is precompiled, so that a run compiles only its own program."""
    source = HELLO["go"].replace("hello", "compiled anew")
    code = (
        f"cat > /tmp/p.go <<'END'\n{source}\nEND\ngo build -x -o /tmp/p /tmp/p.go 2>&1 | grep -c 'compile -o'; /tmp/p"
    )
    assert (await caller.exec(code, "bash"))["stdout"] == "1\ncompiled anew\n"


async def test_compiling_counts_as_running(caller: Caller) -> None:
    """K18: a compiler that takes too long is ended by the time limit of the run."""
    endless = "int f() { for (;;) {} } enum x = f(); void main() {}"
    answer = await caller.exec(endless, "d", timeout=1000)
    assert (answer["status"], answer["stderr"]) == ("TO", "[sandbox] Time limit exceeded\n")


@pytest.mark.parametrize("lang", ["cobol", "", "py thon", "../py", "brainfuck"])
async def test_an_unknown_language_is_a_bad_request(caller: Caller, lang: str) -> None:
    """K14, K42: 400 that names the field."""
    answer = await caller.http.post("/exec", json={"lang": lang, "code": "x"})
    assert answer.status_code == 400
    assert "lang" in answer.json()["message"]


@pytest.mark.parametrize("lang", SHOW_ARGUMENTS)
async def test_arguments_reach_the_program_unchanged(caller: Caller, lang: str) -> None:
    """K14: ``args`` work in every language: blanks, empty ones, quotes, Unicode, wildcards, what looks like options."""
    answer = await caller.exec(SHOW_ARGUMENTS[lang], lang, args=ARGUMENTS)
    assert answer["stdout"] == SHOWN, answer["stderr"]


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
    """K14: enums, interfaces and generics run without an installed compiler."""
    code = "enum E { A = 1, B }\ninterface P { n: number }\nconst f = <T,>(x: T): T => x;\nconst p: P = { n: E.B };\n"
    assert (await caller.exec(code + "console.log(f(p.n))", "ts"))["stdout"] == "2\n"


async def test_a_users_own_file_of_the_sources_name_is_safe(caller: Caller) -> None:
    """K14, K20: the user's own main.py, main.js and main.ts are read and kept like any other file."""
    for lang, name, code in [
        ("py", "main.py", "print(open('main.py').read())"),
        ("js", "main.js", "console.log(require('fs').readFileSync('main.js', 'utf8'))"),
        ("ts", "main.ts", "import fs from 'fs'; console.log(fs.readFileSync('main.ts', 'utf8'))"),
    ]:
        ref = await caller.upload_one(name, b"mine")
        answer = await caller.exec(code, lang, files=[ref])
        assert (answer["stdout"], answer["files"]) == ("mine\n", [])
