"""The jq fallback answers as the real jq does: same output, same exit code."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = [str(ROOT / ".sandbox" / "bin" / "python"), "-I", str(ROOT / "sandbox" / "jq")]
REAL = ["/usr/bin/jq"]

PEOPLE = '[{"name": "Ada", "age": 36}, {"name": "Özgür", "age": null}]\n'
FILES = {
    "people.json": PEOPLE,
    "numbers.json": "1 2\n3\n",
    "lines.txt": "first\n  second\n",
    "double.jq": "# a comment\n.[] | .name + .name\n",
    "lib/greet.jq": 'def greet: "hello " + .;\n',
    "broken.json": '{"a": 1\n',
}

# One invocation a line: what is typed after `jq`, and what arrives on standard input.
INVOCATIONS: list[tuple[list[str], str]] = [
    # Filter, files, standard input
    (["."], '{"b": [1, 2.5, "x"], "a": {}, "c": []}'),
    ([], "[1]"),
    (["."], ""),
    (["."], " \n"),
    ([".", "people.json"], ""),
    ([".[0].name", "people.json"], ""),
    (["-c", ".", "numbers.json", "people.json"], ""),
    ([".", "no-such-file.json"], ""),
    ([".", "no-such-file.json", "numbers.json"], ""),
    (["-c", "map(select(.age))|length", "people.json"], ""),
    (["-f", "double.jq", "people.json"], ""),
    (["--from-file", "double.jq", "people.json", "-r"], ""),
    (["-L", "lib", 'import "greet" as g; .[0].name | g::greet', "people.json"], ""),
    (["-L", "lib", 'include "greet"; .[0].name | greet', "people.json"], ""),
    # Options, alone and in bundles
    (["-r", ".[].name", "people.json"], ""),
    (["-r", ".[]", "people.json"], ""),
    (["-j", ".[].name", "people.json"], ""),
    (["-c", ".[]", "people.json"], ""),
    (["-n", "1 + 1"], "never read"),
    (["-s", "add", "numbers.json"], ""),
    (["-s", ".", "numbers.json", "numbers.json"], ""),
    (["-s", "."], ""),
    (["-R", ".", "lines.txt"], ""),
    (["-R", "."], "no newline at the end"),
    (["-Rs", ".", "lines.txt"], ""),
    (["-Rr", 'split("i")[0]', "lines.txt"], ""),
    (["-nR", "[inputs]", "lines.txt"], ""),
    (["-S", "."], '{"b": {"d": 1, "c": 2}, "a": 0}'),
    (["-cS", "."], '{"b": {"d": 1, "c": 2}, "a": 0}'),
    (["-a", "."], '"Özgür 😀"'),
    (["--tab", "."], '{"a": [1]}'),
    (["--indent", "4", "."], '{"a": [1]}'),
    (["--indent", "0", "."], '{"a": [1]}'),
    (["--indent", "9", "."], '{"a": [1]}'),
    (["--seq", "-c", "."], "[1]"),
    (["--stream", "-c", "."], '{"a": [1, {"b": 2}]}'),
    (["--compact-output", "--null-input", "[1,2]"], ""),
    (["--no-such-option", "."], ""),
    (["."], '"tab\\t and \\u0000 and \\ud83d\\ude00"'),
    # Arguments of the program
    (["-n", "--arg", "who", "Ada", '"hello " + $who'], ""),
    (["-n", '"hello " + $who', "--arg", "who", "Ada"], ""),
    (["-n", "--arg", "n", "1", "$n"], ""),
    (["-nc", "--argjson", "n", '{"a": [1, 2]}', "$n"], ""),
    (["-n", "--argjson", "n", "{bad", "$n"], ""),
    (["-n", "--arg", "only-a-name"], ""),
    (["-nc", "--slurpfile", "all", "numbers.json", "$all"], ""),
    (["-nc", "--rawfile", "text", "lines.txt", "$text"], ""),
    (["-n", "--slurpfile", "all", "no-such-file.json", "$all"], ""),
    (["-nc", "$ARGS", "--args", "one", "two"], ""),
    (["-nc", "--args", "$ARGS.positional", "one", "-c", "two"], ""),
    (["-nc", "--jsonargs", "$ARGS.positional", "1", '{"a":null}'], ""),
    (["-nc", "--arg", "a", "1", "--argjson", "b", "2", "$ARGS.named"], ""),
    (["-n", "$ENV.GREETING, env.GREETING"], ""),
    # Several inputs
    (["-n", "reduce inputs as $n (0; . + $n)", "numbers.json"], ""),
    (["-nc", "[inputs]"], "1 [2] {}"),
    (["-c", "[., input]"], "1 2 3 4"),
    (["-c", "[., input]"], "1 2 3"),
    (["-n", "input, input"], "1 2 3"),
    (["input_filename", "numbers.json"], ""),
    # What a filter can do
    (["-r", '.[] | "\\(.name): \\(.age // "unknown")"', "people.json"], ""),
    (["-r", ".[] | [.name, .age] | @csv", "people.json"], ""),
    (["-r", ".[] | [.name, .age] | @tsv", "people.json"], ""),
    (["-r", "@base64, @uri, @html, @sh", "-n", "--arg", "x", "y"], ""),
    (["-c", "group_by(.age) | map(length)", "people.json"], ""),
    (["-c", "to_entries", "people.json"], ""),
    (["-c", "[paths]", "people.json"], ""),
    (["-c", "del(.[].age) | .[0].new = 1", "people.json"], ""),
    (["-c", 'map(.name | test("^[A-Z]"; "i"))', "people.json"], ""),
    (["-c", 'walk(if type == "number" then . + 1 else . end)', "people.json"], ""),
    (["-n", "0 | todate, (1e9 | strftime(\"%Y-%m-%d\"))"], ""),
    (["-c", "[limit(3; range(10))], (. as [$a, $b] | {$a, $b})", "people.json"], ""),
    # Endings
    (["-e", "."], "null"),
    (["-e", "."], "false"),
    (["-e", "."], "0"),
    (["-e", "."], "1 null"),
    (["-e", "."], "null 1"),
    (["-e", "empty"], "1"),
    (["-e", ".a"], "[1]"),
    (["--exit-status", ".a"], '{"a": 1}'),
    ([".[0]"], '{"a": 1}'),
    ([".a + 1"], '{"a": "x"} {"a": 1}'),
    ([".a + 1"], '{"a": 1} {"a": "x"}'),
    (["error"], '"told"'),
    (["error"], '{"a": 1}'),
    ([".["], "1"),
    (["no_such_function"], "1"),
    (["$undefined"], "1"),
    (["-n", "1, halt, 2"], ""),
    (["-n", '"bye\\n" | halt_error'], ""),
    (["-n", '"bye" | halt_error(7)'], ""),
    (["-n", "{a: 1} | halt_error(0)"], ""),
    (["-nc", "[1] | debug"], ""),
]  # fmt: skip


# Where jq 1.6, Debian 12's, differs from its successors or crashes, ours does as they do.
SINCE_1_7: list[tuple[list[str], str, int, str]] = [
    (["."], '{"a": 1', 5, ""),
    (["."], "{'a': 1}", 5, ""),
    (["."], "1 nope", 5, "1\n"),
    (["-e", "."], "", 4, ""),
    (["-n", "--jsonargs", "$ARGS", "{bad"], "", 2, ""),
    (["-c", "--", ".", "numbers.json"], "", 0, "1\n2\n3\n"),
    (["-C", "."], "1", 0, "\x1b[0;39m1\x1b[0m\n"),
    (["--raw-output0", ".[]"], '["a", "b"]', 0, "a\0b\0"),
    (["-c", "pick(.a)"], '{"a": 1, "b": 2}', 0, '{"a":1}\n'),
    (["-c", "."], "[100000000000000000001, 1.10]", 0, "[100000000000000000001,1.10]\n"),
]  # fmt: skip


def run(command: list[str], stdin: str, folder: Path) -> tuple[int, str, str]:
    """Run one jq; also return stderr, for messages that belong to a filter's own output."""
    environment = {"GREETING": "hi", "HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, input=stdin, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=30
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files that the invocations name."""
    folder = tmp_path_factory.mktemp("jq")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.skipif(not Path(REAL[0]).exists(), reason="no real jq to compare with")
@pytest.mark.parametrize(("arguments", "stdin"), INVOCATIONS, ids=lambda part: repr(part)[:60])
def test_jq_fallback_answers_like_the_real_jq(arguments: list[str], stdin: str, folder: Path) -> None:
    """Same standard output and same exit code for the same invocation."""
    real = run([*REAL, *arguments], stdin, folder)
    ours = run([*OURS, *arguments], stdin, folder)
    assert ours[:2] == real[:2]
    if any("debug" in word or "halt_error" in word for word in arguments):
        assert ours[2] == real[2]
    assert bool(ours[2]) == bool(real[2])


@pytest.mark.parametrize(("arguments", "stdin", "code", "output"), SINCE_1_7, ids=lambda part: repr(part)[:60])
def test_jq_fallback_answers_like_a_newer_jq(
    arguments: list[str], stdin: str, code: int, output: str, folder: Path
) -> None:
    """Known differences between jq's versions follow the newer ones."""
    assert run([*OURS, *arguments], stdin, folder)[:2] == (code, output)


def test_jq_fallback_ends_quietly_when_its_reader_leaves(folder: Path) -> None:
    """`jq … | head -1` shows one line and no traceback."""
    pipe = "{ " + " ".join(OURS) + " -n 'range(1000000)'; } 2>&1 | head -1"
    assert run(["sh", "-c", pipe], "", folder) == (0, "0\n", "")
