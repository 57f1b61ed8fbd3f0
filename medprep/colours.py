"""One colour for each organ, the same in every picture, palette file and colour table.

The first seven are those of Okabe and Ito (jfly.uni-koeln.de/color, 2008). The other ten were
chosen so that, to readers who see all colours and to those blind to red or green (Machado et al.,
IEEE TVCG 2009), each is at least as far in OKLab from all others as the nearest two of the first
seven are from each other; all are bright enough to stand on a dark picture.
"""

from __future__ import annotations

from collections.abc import Mapping

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (120, 255, 255),
    (30, 60, 255),
    (135, 210, 165),
    (90, 135, 255),
    (165, 60, 45),
    (180, 0, 120),
    (165, 255, 180),
    (135, 210, 255),
    (210, 0, 180),
    (255, 75, 105),
)
"""Colours in the order in which they are given out."""

BACKGROUND: Colour = (0, 0, 0)

_ORGANS = (
    "liver",
    "right_kidney",
    "left_kidney",
    "spleen",
    "inferior_vena_cava",
    "aorta",
    "stomach",
    "gallbladder",
    "portal_vein_and_splenic_vein",
    "pancreas",
    "duodenum",
    "esophagus",
    "prostate_or_uterus",
    "right_adrenal_gland",
    "left_adrenal_gland",
    "bladder",
)
_PLACE = {name: place for place, name in enumerate(_ORGANS)}
"""Organs that several data sets share: each has its place in the palette in all of them."""


def colour_of(name: str, index: int) -> Colour:
    """Give an organ's colour.

    Parameters
    ----------
    name
        Of the organ. One that several data sets share has a colour of its own, whatever its
        label.
    index
        Its label, from 1 on; counts for every other name. Beyond the palette colours repeat.
    """
    return PALETTE[_PLACE.get(name, index - 1) % len(PALETTE)]


def colours_of(names: Mapping[int, str]) -> dict[int, Colour]:
    """Give the colours of a label map: `colour_of`, and no colour twice while there are others.

    Parameters
    ----------
    names
        Label value, from 1 on, to organ name.

    Returns
    -------
    dict
        Label value to colour, in the order of the values. Where `colour_of` gives a name the
        colour of another organ in the map, it gets the next free one. No name gives nothing.
    """
    given = {label: colour_of(name, label) for label, name in names.items() if name in _PLACE}
    free = [colour for colour in PALETTE if colour not in given.values()]
    for label in sorted(set(names) - set(given)):
        wanted = colour_of(names[label], label)
        colour = wanted if wanted in free or not free else free[0]
        given[label] = colour
        if colour in free:
            free.remove(colour)
    return dict(sorted(given.items()))


def palette_of(colours: Mapping[int, Colour]) -> list[Colour]:
    """Give the 256 colours of a palette picture whose indices are labels.

    Parameters
    ----------
    colours
        Label value to colour; any other label gets that of its number, the background black.
    """
    named = [BACKGROUND, *(PALETTE[n % len(PALETTE)] for n in range(255))]
    return [colours.get(label, colour) for label, colour in enumerate(named)]
