"""Conversations of several turns, as LibreChat leads them: old and new clients at once, on both engines."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.conversations.conversation import Conversation
from tests.conversations.librechat import Chat, Turn
from tests.conversations.programs import Program, read_file

pytestmark = pytest.mark.usefixtures("long_job")

MONTHS = ("January", "February", "March")
SALES = "month,region,amount\n" + "".join(
    f"{month},{region},{10 * (m + 1) + r}\n"
    for m, month in enumerate(MONTHS)
    for r, region in enumerate(("north", "south"))
)
MONTHLY = "month,amount\nFebruary,41\nJanuary,21\nMarch,61\n"
UNICODE_NAME = "Übersicht – März 2026 (Entwurf).csv"


def py(code: str) -> Program:
    return Program("py", code)


def stdout(turns: list[Turn]) -> list[str]:
    """Stdout of the last program, in each chat."""
    return [turn.stdout for turn in turns]


def test_a_table_is_analysed_and_plotted(conversation: Conversation) -> None:
    """K15, K20, K22: a summary, a plot, a derived file; the next turn works with the derived file and the table."""
    conversation.attach("sales.csv", SALES)
    turns = conversation.play_turn(
        py("import pandas as pd\ntable = pd.read_csv('/mnt/data/sales.csv')\nprint(len(table), table['amount'].sum())"),
        py(
            "import matplotlib.pyplot as plt\nimport pandas as pd\n"
            "monthly = pd.read_csv('/mnt/data/sales.csv').groupby('month')['amount'].sum()\n"
            "monthly.to_csv('/mnt/data/monthly.csv')\n"
            "plt.figure(figsize=(6, 4), dpi=100)\nplt.bar(monthly.index, monthly)\n"
            "plt.savefig('/mnt/data/monthly.png')\nprint(monthly.idxmax())"
        ),
    )
    for turn in turns:
        assert [result.stdout for result in turn.results] == ["6 123", "March"]
        assert [result.user_text for result in turn.results] == [result.text for result in turn.results]
        assert sorted(turn.outputs) == ["monthly.csv", "monthly.png"]
        assert turn.outputs["monthly.csv"] == MONTHLY.encode()
        assert png_size(turn.outputs["monthly.png"]) == (600, 400)
    follow_up = (
        "import pandas as pd\nmonthly = pd.read_csv('monthly.csv', index_col='month')['amount']\n"
        "sales = pd.read_csv('sales.csv')\nprint(monthly['March'] - monthly['January'], len(sales))"
    )
    turns = conversation.play_turn(py(follow_up))
    assert stdout(turns) == ["40 6"] * 2
    assert [turn.uploads for turn in turns] == [0, 0]


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


REPORT = """
import docx, openpyxl, pptx
from reportlab.pdfgen.canvas import Canvas

text = "Revenue rose by 40"
book = openpyxl.Workbook()
book.active.append([text, 40])
book.save("/mnt/data/report.xlsx")
document = docx.Document()
document.add_paragraph(text)
document.save("/mnt/data/report.docx")
slides = pptx.Presentation()
slides.slides.add_slide(slides.slide_layouts[5]).shapes.title.text = text
slides.save("/mnt/data/report.pptx")
canvas = Canvas("/mnt/data/report.pdf")
canvas.drawString(72, 720, text)
canvas.save()
with open("/mnt/data/report.md", "w") as file:
    file.write(f"# Report\\n\\n{text}\\n")
"""
READ_REPORT = """
import docx, json, openpyxl, pptx, pypdf

print(json.dumps({
    "xlsx": openpyxl.load_workbook("/mnt/data/report.xlsx").active["A1"].value,
    "docx": docx.Document("/mnt/data/report.docx").paragraphs[0].text,
    "pptx": pptx.Presentation("/mnt/data/report.pptx").slides[0].shapes.title.text,
    "pdf": pypdf.PdfReader("/mnt/data/report.pdf").pages[0].extract_text(),
    "md": open("/mnt/data/report.md").read().splitlines()[2],
}))
"""
REPORT_MAGIC = {
    "xlsx": b"PK\x03\x04",
    "docx": b"PK\x03\x04",
    "pptx": b"PK\x03\x04",
    "pdf": b"%PDF-",
    "md": b"# Report\n",
}


def test_a_report_in_five_formats(conversation: Conversation) -> None:
    """K20, K21, K40: one program's five documents are fetched whole, and read again by the next turn's."""
    for turn in conversation.play_turn(py(REPORT)):
        assert sorted(turn.outputs) == sorted(f"report.{extension}" for extension in REPORT_MAGIC)
        for extension, magic in REPORT_MAGIC.items():
            assert turn.outputs[f"report.{extension}"].startswith(magic)
    for turn in conversation.play_turn(py(READ_REPORT)):
        read = json.loads(turn.stdout)
        assert {extension: text.strip() for extension, text in read.items()} == dict.fromkeys(
            REPORT_MAGIC, "Revenue rose by 40"
        )


def test_a_file_with_a_unicode_name_is_edited_turn_after_turn(conversation: Conversation) -> None:
    """K11, K15, K20: each of five turns sees what the one before wrote; at the end nothing is missing."""
    lines = ["Monat;Betrag"]
    conversation.attach(UNICODE_NAME, "Monat;Betrag\n")
    for number in range(1, 6):
        lines.append(f"März {number};{number * 100}")
        turns = conversation.play_turn(append_line(UNICODE_NAME, lines[-1]))
        assert stdout(turns) == [str(lines[:-1])] * 2
    for turn, chat in zip(turns, conversation.chats, strict=True):
        assert turn.outputs[chat.recorded_name(UNICODE_NAME)].decode().splitlines() == lines
        assert turn.uploads == 0


def append_line(filename: str, line: str) -> Callable[[Chat], Program]:
    """Print the lines of a file, and add one."""
    return lambda chat: py(
        f"name = '/mnt/data/{chat.recorded_name(filename)}'\n"
        "with open(name, encoding='utf-8') as file:\n    print(file.read().splitlines())\n"
        f"with open(name, 'a', encoding='utf-8') as file:\n    file.write({line + chr(10)!r})"
    )


def test_an_output_with_a_unicode_name_is_delivered(conversation: Conversation) -> None:
    """K11, K40: the name that a program gives reaches LibreChat as it is, with the bytes."""
    code = f"import os\nos.makedirs('Größen')\nopen('Größen/{UNICODE_NAME}', 'w').write('übrig')"
    for turn in conversation.play_turn(py(code)):
        assert turn.outputs[f"Größen/{UNICODE_NAME}"].decode() == "übrig"


def test_a_corrected_file_replaces_the_one_of_the_same_name(conversation: Conversation) -> None:
    """K15: LibreChat refers to both, the corrected file first and the old one last; programs get the corrected one."""
    read = py("print(open('/mnt/data/data.csv').read())")
    conversation.attach("data.csv", "total\n1")
    assert stdout(conversation.play_turn(read)) == ["total\n1"] * 2
    conversation.attach("data.csv", "total\n2")
    for turn in conversation.play_turn(read):
        assert turn.primed == ["data.csv", "data.csv"]
        assert turn.stdout == "total\n2"
    assert stdout(conversation.play_turn(read)) == ["total\n2"] * 2
    assert stdout(conversation.play_turn(read, reversed=True)) == ["total\n2"] * 2


def test_an_edit_outlives_the_upload_that_it_was_made_of(conversation: Conversation) -> None:
    """K15, K20: LibreChat names the edit first and the upload last; programs get the edit, and one line says so."""
    read = py("print(open('/mnt/data/notes.md').read())")
    conversation.attach("notes.md", "# Notes\n")
    turns = conversation.play_turn(py("open('/mnt/data/notes.md', 'a').write('- first edit\\n')"), read)
    assert stdout(turns) == ["# Notes\n- first edit"] * 2
    for turn in conversation.play_turn(read):
        assert turn.primed == ["notes.md", "notes.md"]
        assert turn.stdout == "# Notes\n- first edit"
        [line] = turn.results[0].stderr
        assert "'notes.md'" in line
        assert (turn.uploads, turn.outputs) == (0, {})
    conversation.attach("notes.md", "# Notes, corrected by hand\n")
    assert stdout(conversation.play_turn(read)) == ["# Notes, corrected by hand"] * 2


def test_read_file_shows_the_edit(conversation: Conversation) -> None:
    """K15, K23: the newer releases' read_file, which is a `cat`, shows what the program before it wrote."""
    new = next(chat for chat in conversation.chats if chat.generation == "new")
    new.attach("notes.md", b"# Notes\n")
    read = read_file("/mnt/data/notes.md")
    turn = new.play_turn(py("open('/mnt/data/notes.md', 'a').write('- edit\\n')"), read)
    assert turn.text == "# Notes\n- edit\n"
    assert new.play_turn(read).text == "# Notes\n- edit\n"


FAILS = "with open('/mnt/data/part.txt', 'w') as file:\n    file.write('half')\nprint(1 / 0)"
FIXED = (
    "half = open('/mnt/data/part.txt').read()\nopen('/mnt/data/whole.txt', 'w').write(half + ' and half')\nprint(half)"
)


def test_an_error_and_its_fix(conversation: Conversation) -> None:
    """K18, K20: the model sees the traceback; its next programs find what the failed one left."""
    for turn in conversation.play_turn(py(FAILS), py(FIXED)):
        failed, fixed = turn.results
        assert (failed.status, fixed.stdout) == ("success", "half")
        for words in ("Traceback (most recent call last):", "line 3", "ZeroDivisionError: division by zero"):
            assert words in failed.text
        assert turn.outputs == {"part.txt": b"half", "whole.txt": b"half and half"}
    read = py("print(open('part.txt').read(), open('whole.txt').read())")
    assert stdout(conversation.play_turn(read)) == ["half half and half"] * 2


def test_a_program_past_its_time_limit(conversation: Conversation) -> None:
    """K18, K20: the model is told why; what was printed and written until then is kept; the next turn runs."""
    code = "import time\nopen('part.txt', 'w').write('so far')\nprint('begun', flush=True)\nwhile True: time.sleep(1)"
    for turn in conversation.play_turn(py(code), limits={"timeout": 5000}):
        assert turn.text.startswith("stdout:\nbegun\n")
        assert "Time limit exceeded" in turn.text
        assert turn.outputs["part.txt"] == b"so far"
    assert stdout(conversation.play_turn(py("print(open('part.txt').read())"))) == ["so far"] * 2


def test_files_pass_between_languages(conversation: Conversation) -> None:
    """K14, K15, K17: Python writes, JavaScript reads and writes, bash reads both, within a turn and in the next."""
    write = py("import json\njson.dump({'values': [1, 2, 39]}, open('/mnt/data/values.json', 'w'))")
    add = Program(
        "js",
        "const fs = require('fs');\n"
        "const { values } = JSON.parse(fs.readFileSync('/mnt/data/values.json', 'utf8'));\n"
        "fs.writeFileSync('/mnt/data/sum.txt', String(values.reduce((a, b) => a + b)));\nconsole.log(values.length);",
    )
    turns = conversation.play_turn(write, add)
    assert stdout(turns) == ["3"] * 2
    assert [sorted(turn.outputs) for turn in turns] == [["sum.txt", "values.json"]] * 2
    turns = conversation.play_turn(
        Program("bash", 'jq -c .values /mnt/data/values.json; echo "$(cat /mnt/data/sum.txt)"')
    )
    assert stdout(turns) == ["[1,2,39]\n42"] * 2


def test_r_reads_what_python_wrote(conversation: Conversation) -> None:
    """K14, K15: R, asked for as a language or called in bash, reads a file of the program before it."""
    write = py("open('/mnt/data/values.csv', 'w').write('x\\n1\\n41\\n')")
    turns = conversation.play_turn(write, Program("r", "cat(sum(read.csv('/mnt/data/values.csv')$x))"))
    assert stdout(turns) == ["42"] * 2


def test_agents_of_one_graph_share_their_files(conversation: Conversation) -> None:
    """K15, K20: two calls of one message run at once; the second agent of the graph finds the files of both."""
    written = [py(f"open('/mnt/data/{name}.txt', 'w').write('{name}')") for name in "ab"]
    read = py("print(open('/mnt/data/a.txt').read() + open('/mnt/data/b.txt').read())")
    turns = conversation.play_turn(written, [], read, agents=2)
    assert stdout(turns) == ["ab"] * 2
    assert stdout(conversation.play_turn(read)) == ["ab"] * 2


def test_a_long_job_is_waited_for(long_job: Future[list[Turn]]) -> None:
    """K2, K18: a program that sleeps for 25 s, with a file attached whose session was probed before, ends in time."""
    for turn in long_job.result():
        assert turn.stdout == "started\nfinished"
        assert turn.outputs["sum.txt"] == b"42"
