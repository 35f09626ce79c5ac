"""Typical filters give the same results with Debian's jq and with jaq, which replaces it where it is absent."""

from __future__ import annotations

import pytest

from tests.stack.conftest import Run

PEOPLE = """cat > people.json <<'JSON'
[{"name": "Ada", "age": 36, "tags": ["x", "y"]}, {"name": "Özgür", "age": null, "tags": []}]
JSON
printf '1 2\\n3\\n' > numbers.json
printf 'first\\nsecond\\n' > lines.txt
"""

FILTERS = {
    "jq -r '.[].name' people.json": "Ada\nÖzgür\n",
    "jq -c 'map(select(.age)) | length' people.json": "1\n",
    "jq . numbers.json": "1\n2\n3\n",
    "jq -s add numbers.json": "6\n",
    "jq -n '[inputs] | add' numbers.json": "6\n",
    "jq -n --arg who Ada '\"hello \" + $who'": '"hello Ada"\n',
    "jq -nc --argjson n '{\"a\": [1, 2]}' '$n.a'": "[1,2]\n",
    "jq -nc '$ARGS.positional' --args one two": '["one","two"]\n',
    "jq -nc --slurpfile all numbers.json '$all'": "[1,2,3]\n",
    "jq -Rr 'ascii_upcase' lines.txt": "FIRST\nSECOND\n",
    "jq -j '.[].age' people.json": "36null",
    "jq -cS '.[0] | del(.tags)' people.json": '{"age":36,"name":"Ada"}\n',
    "jq --tab '.[1].tags, {a: 1}' people.json": '[]\n{\n\t"a": 1\n}\n',
    "jq -r '.[] | [.name, .age] | @csv' people.json": '"Ada",36\n"Özgür",\n',
    "jq -r '.[] | [.name, .age] | @tsv' people.json": "Ada\t36\nÖzgür\t\n",
    'jq -r \'.[] | "\\(.name): \\(.age // "unknown")"\' people.json': "Ada: 36\nÖzgür: unknown\n",
    "jq -c 'group_by(.age) | map(length)' people.json": "[1,1]\n",
    "jq -c 'sort_by(.name) | reverse | map(.name)' people.json": '["Özgür","Ada"]\n',
    "jq -c '.[0] | to_entries | map(.key)' people.json": '["name","age","tags"]\n',
    "jq -c '[.[] | {(.name): .age}] | add' people.json": '{"Ada":36,"Özgür":null}\n',
    "jq -c 'reduce .[].tags[] as $t ({}; .[$t] += 1)' people.json": '{"x":1,"y":1}\n',
    'jq -c \'[.[].name | test("^[a-z]"; "i")]\' people.json': "[true,false]\n",
    "jq -c 'with_entries(.value |= length)' <<< '{\"a\": [1, 2]}'": '{"a":2}\n',
    "jq -c '[paths]' <<< '{\"a\": [1]}'": '[["a"],["a",0]]\n',
    "jq -r '.missing // \"default\"' <<< '{}'": "default\n",
    "jq -r '.a' <<< '{\"a\": {\"b\": 1.5}}'": '{\n  "b": 1.5\n}\n',
    "jq -e .a <<< '{\"a\": false}'; echo $?": "false\n1\n",
    "jq . 2>/dev/null <<< '{\"a\": '; [ $? != 0 ] && echo failed": "failed\n",
    "jq '.[' 2>/dev/null <<< 1; echo $?": "3\n",
    "jq -n 'range(100000)' | head -1": "0\n",
}


@pytest.mark.parametrize("name", ["jq", "jaq"])
def test_typical_filters_work_in_a_sandbox(run: Run, name: str) -> None:
    """Options and filters that models write have the same output with either program."""
    lines = [line.replace("jq", name) + "\necho --" for line in FILTERS]
    answer = run(PEOPLE + "\n".join(lines), "bash")
    assert answer["stderr"] == ""
    outputs = answer["stdout"].split("--\n")[:-1]
    assert dict(zip(FILTERS, outputs, strict=True)) == FILTERS
