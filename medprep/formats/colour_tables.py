"""Colour tables of labels, as ITK-SNAP and 3D Slicer read them beside a label map."""

from __future__ import annotations

from collections.abc import Mapping

from medprep.colours import Colour


def itk_snap(names: Mapping[int, str], colours: Mapping[int, Colour]) -> bytes:
    """Give the label description file of ITK-SNAP (Segmentation > Import Label Descriptions).

    Parameters
    ----------
    names
        Label value to organ name, without the background.
    colours
        Label value to colour.
    """
    lines = [
        "# ITK-SnAP Label Description File",
        "# index, red, green, blue, opacity, visible, mesh visible, label",
        '    0     0    0    0        0  0  0    "Clear Label"',
    ]
    for value, name in sorted(names.items()):
        red, green, blue = colours[value]
        lines.append(f'{value:5d} {red:5d}{green:5d}{blue:5d}        1  1  1    "{name}"')
    return ("\n".join(lines) + "\n").encode()


def slicer(names: Mapping[int, str], colours: Mapping[int, Colour]) -> bytes:
    """Give the colour table of 3D Slicer (``.ctbl``): value, name, red, green, blue, opacity.

    Parameters
    ----------
    names, colours
        As for `itk_snap`.
    """
    lines = [f"# {len(names) + 1} labels", "0 background 0 0 0 0"]
    for value, name in sorted(names.items()):
        red, green, blue = colours[value]
        lines.append(f"{value} {name} {red} {green} {blue} 255")
    return ("\n".join(lines) + "\n").encode()
