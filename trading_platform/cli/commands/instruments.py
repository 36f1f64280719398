"""``tp instruments``: what is known about instruments, and the few things a person may change."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, command
from ...home import Home
from ...instruments import Instrument, Registry, load_roll_table
from ...instruments.edit import activate as activate_in
from ...instruments.edit import new_instruments_toml, set_price_scale, set_sierra_style
from ...sessions import opened
from .. import console
from ..folders import difference, home_or_none, read_instruments, registry_of, write_instruments
from ..options import DryRunOption, JsonOption, command_family
from ..platform import locate_home

_LIST = """
List all instruments; active ones get assets. A future makes the series active that describes its gamma exposure (MNQ: NQ_NDX).

Example: tp instruments list
"""
_SHOW = """
Show everything the registry says about one instrument.

Example: tp instruments show MNQ
"""
_ACTIVATE = """
Give instruments assets, by adding them to the active list of instruments.toml.

Example: tp instruments activate MNQ ES
"""
_SET = """
Change how an instrument's Sierra Chart files are read. Partitions made with the old setting turn stale.

Price = stored number x price scale. The scale belongs to one style of file name: fut (MNQZ25_FUT_CME), dash (NQM26-CME),
dot (MNQM6.CME), bare (ESZ20). --sierra-style says which file is read when a contract exists under several names.

Example: tp instruments set MNQ --price-scale 0.01 --style fut
"""


class SierraStyle(StrEnum):
    """Styles of Sierra Chart file names."""

    FUT = "fut"
    DASH = "dash"
    DOT = "dot"
    BARE = "bare"


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("List, show, activate and adjust instruments.")
    family.command("list", help=_LIST)(list_instruments)
    family.command("show", help=_SHOW)(show)
    family.command("activate", help=_ACTIVATE)(activate)
    family.command("set", help=_SET)(set_values)
    app.add_typer(family, name="instruments")


def list_instruments(json_output: JsonOption = False) -> None:
    """List all instruments."""
    home = home_or_none()
    registry = registry_of(home)
    active = {instrument.symbol for instrument in registry.with_assets}
    if json_output:
        console.print_json([_as_json(i, is_active=i.symbol in active) for i in registry.instruments.values()])
        return
    rows = [
        (
            i.symbol,
            i.symbol in active,
            i.name,
            i.kind.value,
            i.exchange,
            i.calendar,
            f"{i.tick_size:g}",
            i.multiplier_usd,
        )
        for i in registry.instruments.values()
    ]
    columns = ("symbol", "active", "name", "kind", "exchange", "calendar", "tick size", "USD per point")
    console.print_table(columns, rows)
    if home is None:
        console.out.print("no home folder here: this is the packaged registry; next: tp init --instruments MNQ,ES")
    elif not active:
        console.out.print("no instrument is active; next: tp instruments activate MNQ")


def show(
    symbol: Annotated[str, typer.Argument(help="Symbol such as MNQ")],
    json_output: JsonOption = False,
) -> None:
    """Show one instrument."""
    home = home_or_none()
    registry = registry_of(home)
    instrument = registry.get(registry.spelled(symbol))
    values = _as_json(instrument, is_active=instrument in registry.with_assets)
    values["front_contract_today"] = _front(instrument, registry, home)
    if json_output:
        console.print_json(values)
        return
    console.print_table(("field", "value"), [(name, _text(value)) for name, value in _flatten(values)])


def activate(
    symbols: Annotated[list[str], typer.Argument(help="Symbols such as MNQ ES")],
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Add symbols to the active list."""
    home = locate_home()
    symbols = [registry_of(home).spelled(symbol) for symbol in symbols]
    after = activate_all(home, symbols)
    _apply(home, after, dry_run=dry_run, json_output=json_output, done=f"active now: {', '.join(symbols)}")


def activate_all(home: Home, symbols: list[str]) -> str:
    """Return the text of instruments.toml with these symbols active.

    Raises:
        ConfigurationError: E120 unknown symbol, E121 not TOML, E127 a layout that cannot be edited.
    """
    registry = registry_of(home)
    text = read_instruments(home)
    if not text:
        for symbol in symbols:
            registry.get(symbol)
        return new_instruments_toml(list(dict.fromkeys(symbols)))
    for symbol in symbols:
        text = activate_in(text, symbol, registry)
    return text


def set_values(
    symbol: Annotated[str, typer.Argument(help="A future such as MNQ")],
    price_scale: Annotated[
        float | None, typer.Option("--price-scale", help="Factor from stored number to price in points, above zero")
    ] = None,
    style: Annotated[
        SierraStyle | None, typer.Option("--style", help="File-name style that the scale is for; default: fut")
    ] = None,
    sierra_style: Annotated[
        SierraStyle | None, typer.Option("--sierra-style", help="File-name style to read if there are several")
    ] = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Change values of one instrument."""
    if price_scale is None and sierra_style is None:
        raise ConfigurationError(
            "E168",
            f"nothing to set for {symbol}: expected --price-scale or --sierra-style",
            "--style alone only names the style that --price-scale is for; nothing was changed",
            command("tp", "instruments", "set", symbol, "--price-scale", "0.01", "--style", "fut"),
        )
    home = locate_home()
    registry = registry_of(home)
    symbol = registry.spelled(symbol)
    after = read_instruments(home) or new_instruments_toml([])
    if price_scale is not None:
        scaled = style or sierra_style or _preferred_style(registry.get(symbol))
        after = set_price_scale(after, symbol, scaled.value, price_scale, registry)
    if sierra_style is not None:
        after = set_sierra_style(after, symbol, sierra_style.value, registry)
    done = (
        f"changed; days of {symbol} that this touches are stale now; next: "
        f"{command('tp', 'backfill', f'{symbol}/*', '--last', 5, '--dry-run')}"
    )
    _apply(home, after, dry_run=dry_run, json_output=json_output, done=done)


def _preferred_style(instrument: Instrument) -> SierraStyle:
    preferred = None if instrument.sierra is None else instrument.sierra.preferred_style
    return SierraStyle.FUT if preferred is None else SierraStyle(preferred)


def _apply(home: Home, after: str, *, dry_run: bool, json_output: bool, done: str) -> None:
    before = read_instruments(home)
    lines = difference(before, after)
    if lines and not dry_run:
        write_instruments(home, after)
    if json_output:
        active = [i.symbol for i in registry_of(home).active]
        console.print_json({"dry_run": dry_run, "changed": bool(lines), "difference": lines, "active": active})
        return
    for line in lines:
        console.out.print(line)
    if dry_run:
        console.out.print("dry run: nothing was changed" if lines else "dry run: nothing would change")
    else:
        console.out.print(done if lines else "nothing to change: the file says so already")


def _front(instrument: Instrument, registry: Registry, home: Home | None) -> str | None:
    if not instrument.is_future:
        return None
    today = opened(SystemClock().now(), instrument)
    return load_roll_table(registry, None if home is None else home.rolls_csv).front(instrument.symbol, today).symbol


def _as_json(instrument: Instrument, *, is_active: bool) -> dict[str, Any]:
    sierra = instrument.sierra
    return {
        "symbol": instrument.symbol,
        "active": is_active,
        "name": instrument.name,
        "kind": instrument.kind.value,
        "exchange": instrument.exchange,
        "calendar": instrument.calendar,
        "tick_size": instrument.tick_size,
        "multiplier_usd": instrument.multiplier_usd,
        "months": instrument.months,
        "price_band": list(instrument.price_band),
        "allows_negative": instrument.allows_negative,
        "roll": None if instrument.roll is None else asdict(instrument.roll),
        "sierra": None
        if sierra is None
        else {
            "exchange": sierra.exchange,
            "price_scales": dict(sierra.price_scales),
            "preferred_style": sierra.preferred_style,
        },
        "databento": None if instrument.databento is None else asdict(instrument.databento),
        "ib": None if instrument.ib is None else asdict(instrument.ib),
        "gex_underlying": instrument.gex_underlying,
        "chain_underlying": instrument.chain_underlying,
    }


def _flatten(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " to ".join(f"{item:,g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
