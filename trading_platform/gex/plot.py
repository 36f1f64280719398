"""The profile of one snapshot as a large picture.

Belongs here: the PNG of ``tp gex chain --plot``. Does not belong here: the small pictures of partition pages (``pictures.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from ..errors import QualityError, command
from .levels import ChainLevels

_BILLION: Final = 1e9
_BAND_FRAC: Final = 0.10


def plot_profile(levels: ChainLevels, path: Path, *, symbol: str, synthetic: bool = False) -> None:
    """Write a picture: above exposure by strike, below the re-priced net exposure by level.

    Args:
        levels: what is drawn.
        path: file to write; its suffix decides the format (png, svg, pdf).
        symbol: the underlying, for the title.
        synthetic: adds the words SYNTHETIC DATA.

    Raises:
        QualityError: E487 if the file cannot be written.
    """
    from matplotlib.figure import Figure

    lines, own, spot = levels.lines, levels.own, levels.lines.spot
    figure = Figure(figsize=(11, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    near = np.abs(own.strikes.strike - spot) <= _BAND_FRAC * spot
    strike = own.strikes.strike[near]
    width = float(np.median(np.diff(strike))) * 0.9 if len(strike) > 1 else 1.0
    above.bar(strike, own.strikes.call[near] / _BILLION, width, color="seagreen", label="calls")
    above.bar(strike, own.strikes.put[near] / _BILLION, width, color="indianred", label="puts")
    above.set_ylabel("bn USD per 1 % at the strike")
    inside = np.abs(levels.profile_levels - spot) <= 1.05 * _BAND_FRAC * spot
    below.plot(
        levels.profile_levels[inside], levels.profile_net[inside] / _BILLION, color="navy", label="net, re-priced"
    )
    below.axhline(0, color="grey", linewidth=0.8)
    below.set_ylabel("bn USD per 1 % if spot were there")
    below.set_xlabel("level of the underlying")
    walls = own.walls
    marks = [
        (spot, "black", "-", f"spot {spot:,.2f}"),
        (levels.flip.zero_gamma, "darkorange", "--", "zero gamma"),
        (walls.call_wall.strike if walls.call_wall else None, "green", ":", "call wall"),
        (walls.put_wall.strike if walls.put_wall else None, "red", ":", "put wall"),
    ]
    for level, colour, style, text in marks:
        if level is None or abs(level - spot) > 1.05 * _BAND_FRAC * spot:
            continue
        for axes in (above, below):
            axes.axvline(
                level,
                color=colour,
                linestyle=style,
                linewidth=1.4,
                label=text if level == spot else f"{text} {level:,.2f}",
            )
    above.legend(loc="upper right", fontsize=8)
    below.legend(loc="lower right", fontsize=8)
    above.set_xlim(spot * (1 - _BAND_FRAC), spot * (1 + _BAND_FRAC))
    total = own.total
    above.set_title(
        f"{symbol} {lines.asof:%Y-%m-%d %H:%M} UTC: calls {total.call / _BILLION:+.1f}, puts {total.put / _BILLION:+.1f}, "
        f"net {total.net / _BILLION:+.1f} bn USD per 1 % (naive sign)" + ("   SYNTHETIC DATA" if synthetic else ""),
        fontsize=10,
    )
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise QualityError(
            "E487",
            f"{path.name} was not written: {error}",
            "the folder is missing or not writable, or the suffix is no picture format",
            command("tp", "gex", "chain", "--help"),
        ) from error
