"""Tables and counts in plain text, tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set a table in plain text: words to the left, numbers to the right."""
    widths = [max(len(line[n]) for line in [header, *rows]) for n in range(len(header))]
    lines = []
    for line in [header, ["-" * width for width in widths], *rows]:
        cells = (
            cell.rjust(width) if is_number(cell) else cell.ljust(width)
            for cell, width in zip(line, widths, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set a table in Markdown; a column whose cells are all numbers goes to the right."""
    right = [all(is_number(row[n]) or not row[n] for row in rows) for n in range(len(header))]
    rule = ["--:" if one else "---" for one in right]
    lines = [[_escaped(cell) for cell in line] for line in (header, *rows)]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counted(number: int, noun: str) -> str:
    """Give a number and what it counts: ``1 case``, ``2 cases``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def is_number(text: str) -> bool:
    """Tell whether a cell starts with a digit, or with a sign and one."""
    return text[:1].isdigit() or (text[:1] in "-+" and text[1:2].isdigit())


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
