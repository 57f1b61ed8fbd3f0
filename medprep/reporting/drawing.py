"""One hand for all figures: equal numbers give equal bytes, whatever the user's settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, QUIET, GRID = "#1f2933", "#52606d", "#dde2e7"
"""Colours of words, of what stands behind, and of grids."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Colours of what is compared, in order (Okabe and Ito)."""
MARKS = ("o", "s", "^", "D", "v", "P")
"""Their marks: they are told apart without colour too."""
_STYLE = {
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "savefig.dpi": 200,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in an organ's name is a dollar
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}
_WIDTH_INCH = 4.8


def brief(name: str, most: int = 30) -> str:
    """Give a name as a figure has room for it: with spaces, its middle left out where too long."""
    plain = name.replace("_", " ")
    if len(plain) <= most:
        return plain
    return f"{plain[: most - most // 2 - 1]}…{plain[len(plain) - most // 2 :]}"


def new_figure(height_inch: float, width_inch: float = _WIDTH_INCH) -> Figure:
    """Give an empty figure; made and drawn within `plain_style`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inch, height_inch), layout="constrained")


def png_of(figure: Figure) -> bytes:
    """Draw it as a PNG without date or program name."""
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


@contextlib.contextmanager
def plain_style() -> Iterator[None]:
    """Draw by our settings alone; the user's own are back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield
