"""Colour tables for viewers."""

from __future__ import annotations

import re

from medprep.formats.colour_tables import itk_snap, slicer

NAMES = {2: "right_kidney", 1: "liver"}
COLOURS = {1: (230, 159, 0), 2: (86, 180, 233)}


def test_itk_snap_reads_seven_numbers_and_a_quoted_name() -> None:
    lines = [line for line in itk_snap(NAMES, COLOURS).decode().splitlines() if line[0] != "#"]
    form = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([01])\s+([01])\s+"(.*)"')
    found = [form.fullmatch(line).groups() for line in lines]  # type: ignore[union-attr]
    assert found[0] == ("0", "0", "0", "0", "0", "0", "0", "Clear Label")
    assert found[1] == ("1", "230", "159", "0", "1", "1", "1", "liver")
    assert found[2][-1] == "right_kidney" and len(found) == 3


def test_slicer_reads_value_name_and_four_numbers() -> None:
    lines = slicer(NAMES, COLOURS).decode().splitlines()
    assert lines[1:] == [
        "0 background 0 0 0 0", "1 liver 230 159 0 255", "2 right_kidney 86 180 233 255",
    ]  # fmt: skip
