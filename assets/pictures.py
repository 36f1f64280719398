"""Which small pictures the partition page of a day shows.

Belongs here: the choice, and what the colours mean. Does not belong here: drawing (``trading_platform.pictures`` and the rooms of the
subjects); large charts, which are written to files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from trading_platform.enrichment import levels_over_price
from trading_platform.gex.pictures import profile_picture
from trading_platform.lake import DayResult
from trading_platform.pictures import price_and_volume
from trading_platform.regimes import regime_ribbon

# What the colours say; the picture itself has no room for it.
_LEGENDS: Mapping[str, str] = {
    "levels_over_price": (
        "navy: price; orange: zero gamma; green: call wall; red: put wall (of chains: within 3 % of spot; of enriched bars: the vendor's "
        "majors by volume); grey: no gamma data or too old"
    ),
    "regimes": "green: positive_pin; lime: positive; gold: transition; light red: negative; dark red: negative_expansion; grey: unknown",
    "gamma_profile": (
        "green: calls; pink: puts, by strike; black: spot; orange: zero gamma; green and red lines: call and put wall within 3 % of spot"
    ),
}


def pictures_of(result: DayResult, *, title: str) -> dict[str, dg.MetadataValue[Any]]:
    """Return the pictures of a day by the name of their entry: a line over price and volume, levels over price, regimes, a gamma profile.

    Which of them a day has follows from what its builder left behind: level lines in the preview, a ribbon or a picture among the facts.
    """
    drawn: dict[str, str] = {}
    ribbon, profile = result.facts.get("ribbon"), result.facts.get("picture")
    if result.preview is not None:
        if result.preview.lines:
            drawn["levels_over_price"] = levels_over_price(result.preview, alt=title, synthetic=result.synthetic)
        elif isinstance(ribbon, str):
            drawn["regimes"] = regime_ribbon(result.preview, ribbon, alt=title, synthetic=result.synthetic)
        else:
            drawn["price_and_volume"] = price_and_volume(result.preview, alt=title, synthetic=result.synthetic)
    if isinstance(profile, Mapping):
        drawn["gamma_profile"] = profile_picture(profile, alt=title, synthetic=result.synthetic)
    shown: dict[str, dg.MetadataValue[Any]] = {name: dg.MetadataValue.md(picture) for name, picture in drawn.items()}
    legends = {f"{name}_legend": dg.MetadataValue.text(_LEGENDS[name]) for name in drawn if name in _LEGENDS}
    return {**shown, **legends}
