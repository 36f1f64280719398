"""``tp rolls gaps``: what both contracts of a roll cost at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...errors import command
from ...instruments.roll_gaps_csv import read_roll_gaps, roll_gaps_text
from ...instruments.rolls_csv import replace_csv
from .. import console
from ..folders import difference
from ..options import DryRunOption, FirstOption, JsonOption, LastOption, day_of, ordered_range, range_to_latest
from ..roll_market import Market, RootArgument, WriteOption, print_change

if TYPE_CHECKING:
    from ...sierra.gap_measurement import Measurement

HELP = """
Measure what both contracts of each roll cost at one instant of the session before it; back-adjusted series need these gaps.

Changes nothing without --write, which puts them into roll_gaps.csv of the home. A gap that cannot be measured is listed with the reason and
never estimated.

Example: tp rolls gaps ES --write

--from and --to: first and last date of rolls; default: those between the first and the last stored day.
"""


def gaps(
    root: RootArgument,
    first: FirstOption = None,
    last: LastOption = None,
    write: WriteOption = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Measure the price gaps of rolls and, if asked, keep them."""
    market = Market.open(root)
    root = market.instrument.symbol
    begin, end = _roll_range(market, day_of(first), day_of(last))
    from ...sierra.gap_measurement import measure_gap

    windows = market.table.windows(root, begin - timedelta(days=1), end)
    found = [
        measure_gap(market.archive, market.instrument, market.calendar, market.now, old, new)
        for old, new in pairwise(windows)
    ]
    path = market.home.roll_gaps_csv
    kept = read_roll_gaps(path, market.registry)
    before = roll_gaps_text(kept.values()) if kept else ""
    measured = {one.gap.key: one.gap for one in found if one.gap is not None}
    after = roll_gaps_text({**kept, **measured}.values()) if kept or measured else ""
    written = write and not dry_run and after != before
    if written:
        replace_csv(path, after)
    if market.home.is_demo:
        console.label_synthetic()
    lines = difference(before, after, path.name)
    if json_output:
        document = {"root": root, "gaps": [_gap_as_json(one) for one in found]}
        console.print_json({**document, "difference": lines, "changed": after != before, "written": written})
        return
    rows = [(*_gap_as_json(one).values(),) for one in found]
    columns = ("from", "to", "first trade date", "price from", "price to", "gap", "measured at", "apart s", "why not")
    console.print_table(columns, rows, title=f"{root}: gaps at rolls from {begin} to {end}")
    if write:
        print_change(lines, dry_run=dry_run, name=path.name)
    elif lines:
        console.out.print(f"nothing was changed; next: {command('tp', 'rolls', 'gaps', root, '--write')}")


def _roll_range(market: Market, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the range of roll dates: as given, else between the stored days."""
    root = market.instrument.symbol
    stored = market.stored_days() if first is None else []
    if stored:
        return ordered_range(stored[0], last or stored[-1], "tp", "rolls", "gaps", root)

    def newest() -> date:
        return market.calendar.newest_final(market.now)

    return range_to_latest(first, last, newest, "tp", "rolls", "gaps", root, choices="--from")


def _gap_as_json(one: Measurement) -> Mapping[str, Any]:
    gap = one.gap
    return {
        "from_contract": one.from_contract.symbol,
        "to_contract": one.to_contract.symbol,
        "first_trade_date": one.first_trade_date,
        "from_price": None if gap is None else gap.from_price,
        "to_price": None if gap is None else gap.to_price,
        "gap": None if gap is None else gap.difference,
        "measured_at": None if gap is None else gap.measured_at.isoformat(),
        "apart_s": None if gap is None else gap.apart_us / 1e6,
        "reason": one.reason,
    }
