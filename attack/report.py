"""Write the verdicts down: a line each for the terminal, a table for the documents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from attack.suite import Verdict

BEGIN = "<!-- attacks: begin (written by `python -m attack --write docs/security.md`) -->"
END = "<!-- attacks: end -->"


def line(verdict: Verdict) -> str:
    """Print one verdict."""
    told = f"ESCAPED   {verdict.escape}" if verdict.escape else f"contained {verdict.held_by}"
    return f"{verdict.group}: {verdict.name}: {told}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """Count them."""
    escapes = [verdict for verdict in verdicts if verdict.escape]
    text = f"{len(verdicts)} attacks, {len(verdicts) - len(escapes)} contained, {len(escapes)} escaped"
    return "\n".join([text, *(f"  {line(verdict)}" for verdict in escapes)])


def table(verdicts: Sequence[Verdict]) -> str:
    """Write the table for the documents."""
    contained = sum(not verdict.escape for verdict in verdicts)
    parts = [f"\n{len(verdicts)} attacks, {contained} contained, {len(verdicts) - contained} escaped.\n"]
    for group, members in groupby(verdicts, key=lambda verdict: verdict.group):
        parts.append(f"\n### {group}\n\n| attack | what must hold | contained | with |\n| --- | --- | --- | --- |\n")
        for verdict in members:
            cells = (verdict.name, verdict.claim, "no" if verdict.escape else "yes", verdict.escape or verdict.held_by)
            parts.append("| " + " | ".join(cell(text) for text in cells) + " |\n")
    return "".join(parts)


def cell(text: str) -> str:
    """Make text fit for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def write(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Put the table between its marks. Raises ``ValueError`` when the file has none."""
    put_between(path, BEGIN, END, table(verdicts))


def put_between(path: Path, begin: str, end: str, content: str) -> None:
    """Replace what stands between two marks of a Markdown file. Raises ``ValueError`` when they are not there."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"{path}: no place for the table")
    path.write_text(f"{before}{begin}\n{content}\n{end}{after}", encoding="utf-8")
