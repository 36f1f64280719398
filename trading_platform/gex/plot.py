"""The profile of one snapshot as a large picture.

Belongs here: the PNG of ``tp gex chain --plot``. Does not belong here: the small pictures of partition pages (``pictures.py``).

The curve is priced again on a grid of its own, because the 60 levels of the stored profile lie 0.7 % apart and show as corners.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import QualityError, command
from ..pictures.colours import LEVEL_COLOURS
from .flips import own_curve
from .levels import ChainLevels
from .lines import Floats
from .zero_gamma import FINE_STEP_FRAC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BILLION: Final = 1e9
_BAND_FRAC: Final = 0.10
_SUFFIXES: Final = (".png", ".svg", ".pdf")


def plot_profile(
    levels: ChainLevels, path: Path, *, symbol: str, synthetic: bool = False, next_command: str | None = None
) -> None:
    """Write a picture: above exposure by strike, below the re-priced net exposure by level.

    Args:
        levels: what is drawn.
        path: file to write; its suffix decides the format (png, svg, pdf).
        symbol: the underlying, for the title.
        synthetic: adds the words SYNTHETIC DATA.
        next_command: draws into another file, for whoever knows where the chain comes from.

    Raises:
        QualityError: E487 if the file cannot be written, or its name is a folder or has another suffix.
    """
    refused = None
    if path.is_dir():
        refused = "it is a folder"
    elif path.suffix.lower() not in _SUFFIXES:
        # Without a suffix matplotlib would add one, and the file would not be where it was asked for.
        refused = f"its suffix is {path.suffix!r}" if path.suffix else "it has no suffix"
    if refused is not None:
        raise _not_written(path, refused, next_command)
    figure = profile_figure(levels, symbol=symbol, synthetic=synthetic)
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise _not_written(path, str(error), next_command) from error


def _not_written(path: Path, reason: str, next_command: str | None) -> QualityError:
    return QualityError(
        "E487",
        f"{path} was not written: {reason}",
        "it takes a file that ends in .png, .svg or .pdf, in a folder that exists and is writable",
        next_command or command("tp", "gex", "chain", "--help"),
    )


def profile_figure(levels: ChainLevels, *, symbol: str, synthetic: bool) -> Figure:
    """Return the picture; spot, zero gamma and walls are lines through both parts and named once."""
    from matplotlib.figure import Figure

    spot = levels.lines.spot
    figure = Figure(figsize=(11, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_strikes(above, levels)
    _draw_curve(below, levels)
    for level, colour, style, text in _marks(levels):
        above.axvline(level, color=colour, linestyle=style, linewidth=1.4, label=f"{text} {level:,.2f}")
        below.axvline(level, color=colour, linestyle=style, linewidth=1.4)
    above.legend(loc="upper right", fontsize=8)
    above.set_xlim(spot * (1 - _BAND_FRAC), spot * (1 + _BAND_FRAC))
    above.set_title(_title(levels, symbol) + ("   SYNTHETIC DATA" if synthetic else ""), fontsize=10)
    return figure


def _draw_strikes(axes: Axes, levels: ChainLevels) -> None:
    """Draw a bar per strike and side; an unknown side (NaN) has none."""
    table, spot = levels.own.strikes, levels.lines.spot
    near = np.abs(table.strike - spot) <= _BAND_FRAC * spot
    strike = table.strike[near]
    width = float(np.median(np.diff(strike))) * 0.9 if len(strike) > 1 else 1.0
    axes.bar(strike, table.call[near] / _BILLION, width, color="seagreen", label="calls")
    axes.bar(strike, table.put[near] / _BILLION, width, color="indianred", label="puts")
    axes.set_ylabel("bn USD per 1 % at the strike")


def _draw_curve(axes: Axes, levels: ChainLevels) -> None:
    """Draw the re-priced net; none where a side is unknown, because it would be that of the other side alone."""
    if levels.own.total.net is not None:
        drawn = drawn_levels(levels.lines.spot)
        net, _ = own_curve(levels.lines).total(drawn)
        axes.plot(drawn, net / _BILLION, color="navy")
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_ylabel("net, re-priced: bn USD per 1 % if spot were there")
    axes.set_xlabel("level of the underlying")


def _title(levels: ChainLevels, symbol: str) -> str:
    total = levels.own.total
    sums = ", ".join(
        f"{name} {'unknown' if value is None else f'{value / _BILLION:+.1f}'}"
        for name, value in (("calls", total.call), ("puts", total.put), ("net", total.net))
    )
    return f"{symbol} {levels.lines.asof:%Y-%m-%d %H:%M} UTC: {sums} bn USD per 1 % (naive sign)"


def drawn_levels(spot: float) -> Floats:
    """Return the levels of the drawn curve: 5 basis points of spot apart, the step of the search for crossings, within 10 % of it."""
    steps = round(_BAND_FRAC / FINE_STEP_FRAC)
    return np.asarray(spot * (1.0 + FINE_STEP_FRAC * np.arange(-steps, steps + 1)), np.float64)


def _marks(levels: ChainLevels) -> list[tuple[float, str, str, str]]:
    """Return level, colour, style and name of every line within the picture."""
    spot, walls = levels.lines.spot, levels.own.walls
    marks = {
        "spot": (spot, "-"),
        "zero gamma": (levels.flip.zero_gamma, "--"),
        "call wall": (None if walls.call_wall is None else walls.call_wall.strike, ":"),
        "put wall": (None if walls.put_wall is None else walls.put_wall.strike, ":"),
    }
    return [
        (level, LEVEL_COLOURS[name], style, name)
        for name, (level, style) in marks.items()
        if level is not None and abs(level - spot) <= _BAND_FRAC * spot
    ]
