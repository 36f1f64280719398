"""``tp regimes``: the regimes of a day with the reason of each change, and the strategies that each regime admits.

Belongs here: options and output. Does not belong here: how regimes are decided and what they admit (``trading_platform.regimes``).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError, LakeError, command
from .. import console
from ..folders import registry_of
from ..options import JsonOption, command_family, day_of
from ..platform import locate_home

if TYPE_CHECKING:
    from ...home import Home
    from ...instruments import Instrument
    from ...lake import LocalLake
    from ...regimes import RoutingTable, StateChange

_SHOW_HELP = """
Show the gamma regimes of a trade date: when each state began, how long it lasted, and the reason of the change.

Example: tp regimes show SPX --day 2025-09-02

A future means what describes it: MNQ shows NQ_NDX. The regimes must be stored: tp backfill SPX/gex_regimes --last 5. States of chains and
of feed categories stand apart, by source. With --json the reasons are objects.
"""
_ROUTING_HELP = """
Show which strategies each gamma regime admits, and why: the packaged table with your regime_routing.toml over it.

Example: tp regimes routing SPX

With a symbol, its latest stored regime is shown too. The file <home>/regime_routing.toml replaces regimes one by one; docs/settings.md
says where it lies.
"""
_DATASET = "gex_regimes"
_DayNeeded = Annotated[datetime, typer.Option("--day", formats=["%Y-%m-%d"], help="The trade date")]


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Gamma regimes, and the strategies that they admit.")
    family.command("show", help=_SHOW_HELP)(show)
    family.command("routing", help=_ROUTING_HELP)(routing)
    app.add_typer(family, name="regimes")


def show(
    symbol: Annotated[str, typer.Argument(help="Index, series or future such as SPX, NQ_NDX, MNQ")],
    day: _DayNeeded,
    json_output: JsonOption = False,
) -> None:
    """Show the regimes of a day."""
    home = locate_home()
    instrument = _described_by(home, symbol)
    trade_date = day_of(day)
    if trade_date is None:
        raise TypeError("Expected a day")
    from ...lake import LocalLake

    lake = LocalLake(home.lake_dir)
    changes, synthetic = _changes(lake, instrument.symbol, trade_date), _is_synthetic(lake, instrument, trade_date)
    if json_output:
        document = {"symbol": instrument.symbol, "trade_date": trade_date, "synthetic": synthetic}
        console.print_json({**document, "changes": [_as_json(one) for one in changes]})
        return
    if synthetic:
        console.label_synthetic()
    if not changes:
        footer = lake.footer(_DATASET, instrument.symbol, trade_date)
        console.out.print(f"{instrument.symbol} {trade_date} has no regimes: {footer and footer.reason}")
        return
    console.print_table(
        ("from UTC", "source", "regime", "observations", "minutes", "spot", "because"),
        [
            (
                f"{one.ts:%Y-%m-%d %H:%M:%S}",
                one.source,
                str(one.state),
                one.observations,
                one.lasted.total_seconds() / 60,
                one.spot,
                "\n".join(f"{key}={value}" for key, value in one.reasons.items()),
            )
            for one in changes
        ],
        title=f"{instrument.symbol} {trade_date}",
    )


def routing(
    symbol: Annotated[str | None, typer.Argument(help="Whose latest stored regime is shown too, such as SPX")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show the routing table in force."""
    home = locate_home()
    from ...regimes import load_routing

    table = load_routing(home.regime_routing_toml)
    present = None if symbol is None else _latest(home, _described_by(home, symbol), table)
    if json_output:
        console.print_json({"file": str(home.regime_routing_toml), "routes": _routes(table), "present": present})
        return
    console.print_table(
        ("regime", "strategies", "from", "reason"),
        [
            (
                one["regime"],
                ", ".join(one["strategies"]) or "none",
                "your file" if one["is_custom"] else "package",
                one["reason"],
            )
            for one in _routes(table)
        ],
    )
    if present is not None:
        if present["synthetic"]:
            console.label_synthetic()
        admitted = ", ".join(present["strategies"]) or "no strategy"
        console.out.print(
            f"{present['symbol']} was {present['regime']} at {present['at']} (trade date {present['trade_date']}, "
            f"{present['source']}): {admitted}; {present['reason']}"
        )


def _described_by(home: Home, symbol: str) -> Instrument:
    """Return the instrument whose regimes are meant.

    Raises:
        ConfigurationError: E120 for an unknown symbol, E185 for one without gamma exposure.
    """
    registry = registry_of(home)
    instrument = registry.get(registry.spelled(symbol))
    found = registry.gamma_of(instrument)
    if found is None:
        raise ConfigurationError(
            "E185",
            f"{instrument.symbol} has no gamma regimes: the registry names nothing that describes its gamma exposure",
            "regimes are made from gamma levels or the gamma feed; nothing was read",
            command("tp", "instruments", "show", instrument.symbol),
        )
    return found


def _changes(lake: LocalLake, symbol: str, day: date) -> list[StateChange]:
    from ...regimes.changes import COLUMNS, changes_of

    return changes_of(lake.read(_DATASET, symbol, day, columns=COLUMNS))


def _latest(home: Home, instrument: Instrument, table: RoutingTable) -> dict[str, Any]:
    """Return the last stored regime of an instrument and what it admits.

    Raises:
        LakeError: E507 if no regimes are stored.
    """
    from ...lake import LocalLake

    lake = LocalLake(home.lake_dir)
    for day in sorted(lake.days(_DATASET, instrument.symbol), reverse=True):
        changes = _changes(lake, instrument.symbol, day)
        if changes:
            last = max(changes, key=lambda one: one.until)
            route = table.route(last.state)
            return {
                "symbol": instrument.symbol,
                "trade_date": day.isoformat(),
                "at": last.until.isoformat(),
                "source": last.source,
                "regime": str(last.state),
                "strategies": list(route.strategies),
                "reason": route.reason,
                "synthetic": _is_synthetic(lake, instrument, day),
            }
    raise LakeError(
        "E507",
        f"{instrument.symbol}/{_DATASET} has no stored trade date with regimes",
        "the latest regime is looked up in the lake; nothing was routed",
        command("tp", "backfill", f"{instrument.symbol}/{_DATASET}", "--last", 5),
    )


def _is_synthetic(lake: LocalLake, instrument: Instrument, day: date) -> bool:
    footer = lake.footer(_DATASET, instrument.symbol, day)
    return footer is not None and footer.synthetic


def _routes(table: RoutingTable) -> list[dict[str, Any]]:
    return [
        {
            "regime": str(state),
            "strategies": list(route.strategies),
            "reason": route.reason,
            "is_custom": route.is_custom,
        }
        for state, route in table.routes.items()
    ]


def _as_json(one: StateChange) -> dict[str, Any]:
    return {
        "source": one.source,
        "ts": one.ts.isoformat(),
        "known_at": one.known_at.isoformat(),
        "state": str(one.state),
        "previous": None if one.previous is None else str(one.previous),
        "until": one.until.isoformat(),
        "observations": one.observations,
        "spot": one.spot,
        "reasons": one.reasons,
    }
