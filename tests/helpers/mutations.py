"""Ways to damage what a program reads: bytes, records, values."""

from __future__ import annotations

import json
import random
from typing import Any

WORDS = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\0\0", b"9999", b"\xff\xff\xff\x7f", b"nan ")
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 65536, 10**6, 10**20, -0.0, 0.5, 1e308, float("nan"), float("inf"), "",
    " ",
    "nan", "1e999", "../../etc/x", "/etc/passwd", "C:\\x", "CON", "nul\0byte", "x" * 300, "x.",
    "\ud800",
    "\N{GRINNING FACE}", [], {}, [[]], [None], {"": None}, [1, 2, 3], "liver",
)  # fmt: skip


def damaged(content: bytes, chance: random.Random, begin: int = 0, span: int = 3000) -> bytes:
    """Change, cut out and double bytes from ``begin`` on, and now and then cut the end off."""
    made = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        end = min(len(made), begin + span)
        if end <= begin:
            break
        at = chance.randrange(begin, end)
        kind = chance.randrange(4)
        if kind == 0:
            made[at] = chance.randrange(256)
        elif kind == 1:
            made[at : at + 4] = chance.choice(WORDS)
        elif kind == 2:
            del made[at : at + chance.randint(1, 40)]
        else:
            made[at:at] = made[at : at + chance.randint(1, 40)]
    if chance.random() < 0.2:
        del made[chance.randint(0, len(made)) :]
    return bytes(made)


def changed(node: Any, chance: random.Random) -> Any:
    """Give a record of JSON with something in it replaced, dropped, renamed or nested deeply."""
    if isinstance(node, dict) and node and chance.random() < 0.8:
        key = chance.choice(list(node))
        kind = chance.randrange(5)
        rest = {name: value for name, value in node.items() if name != key}
        if kind == 0:
            return rest
        if kind == 1:
            return rest | {str(chance.choice(ODD)): node[key]}
        return node | {key: changed(node[key], chance)}
    if isinstance(node, list) and node and chance.random() < 0.8:
        at = chance.randrange(len(node))
        kind = chance.randrange(4)
        if kind == 0:
            return node[:at] + node[at + 1 :]
        if kind == 1:
            return [*node, node[at]]
        return [*node[:at], changed(node[at], chance), *node[at + 1 :]]
    if chance.random() < 0.05:
        return nested(chance.choice((50, 3000)))
    return chance.choice(ODD)


def nested(depth: int) -> list[Any]:
    """Give lists in lists."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def as_json(record: Any) -> bytes:
    """Write a record, however deep: ``json`` itself stops at a thousand lists in lists."""
    try:
        return json.dumps(record).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 100_000
