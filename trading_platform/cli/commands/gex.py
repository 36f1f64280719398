"""``tp gex``: what an option chain says about gamma."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from .. import console
from ..options import JsonOption, command_family
from .gex_fetch import FETCH_HELP, fetch

if TYPE_CHECKING:
    from ...chains import DecodedChain

_CHAIN = """
Compute gamma exposure, zero gamma, walls and max pain of one saved option chain (a Cboe quote table). Nothing is stored.

Example: tp gex chain spx_quotedata.csv --plot spx.png

Signs are naive: dealers long calls, short puts; sums are US dollars of delta per 1 % move. "own" uses own greeks from the volatilities in
the file with rates of zero, "vendor" the gamma in the file, "forward" volatilities from the quotes on the parity forward of each expiry.
Series that had settled when the file was saved count nowhere. Rows are rows of the file, lines are contracts: a row holds a call and a put.
"""
_BILLION = 1e9
_SHOWN_EXPIRIES = 8


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Look at gamma exposure and download its history.")
    family.command("chain", help=_CHAIN)(chain)
    family.command("fetch", help=FETCH_HELP)(fetch)
    app.add_typer(family, name="gex")


def chain(
    file: Annotated[Path, typer.Argument(help="Quote table as saved from the Cboe page, .csv")],
    asof: Annotated[
        str | None,
        typer.Option(
            "--asof", help="Price for this moment instead of the one in the file, e.g. 2025-08-29T15:30:00-04:00"
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also draw the profile into this file: .png, .svg or .pdf")
    ] = None,
    strikes: Annotated[bool, typer.Option("--strikes", help="List every strike too")] = False,
    json_output: JsonOption = False,
) -> None:
    """Compute and print."""
    moment = None if asof is None else _moment(asof)
    from ...chains import read_quote_table
    from ...gex import compute_levels
    from ...gex.report import as_json

    decoded = read_quote_table(file, now=SystemClock().now())
    levels = compute_levels(decoded.frame, asof=moment, name=file.name)
    document = as_json(levels, symbol=decoded.symbol, source="cboe", strikes=strikes)
    document = {"file": file.name, "synthetic": decoded.header.synthetic, **document}
    _count_refused(document, decoded)
    if plot is not None:
        from ...gex.plot import plot_profile

        plot_profile(levels, plot, symbol=decoded.symbol, synthetic=document["synthetic"])
        document["plot"] = str(plot)
    if json_output:
        console.print_json(document)
    else:
        _print(document)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        hint = f"{text!r} is no time; write it like 2025-08-29T15:30:00-04:00"
        raise typer.BadParameter(hint, param_hint="--asof") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; add Z or -04:00", param_hint="--asof")
    return moment


def _count_refused(document: dict[str, Any], decoded: DecodedChain) -> None:
    """Count what never became a contract line: refused sides by reason, and sides without a contract."""
    facts: Mapping[str, Any] = decoded.facts
    document["rows_in"] = facts["rows_in"]
    document["rows_settled"] = document["rows_in"] - document["rows_live"]
    document["lines_in"] = facts["contracts_in"]
    refused = {f"refused_{reason}": number for reason, number in sorted(facts["rejected"].items())}
    absent = {"absent": facts["absent"]} if facts["absent"] else {}
    document["dropped"] = {**document["dropped"], **refused, **absent}


def _print(document: Mapping[str, Any]) -> None:
    if document["synthetic"]:
        console.label_synthetic()
    console.out.print(
        f"{document['symbol']} {document['asof']}, spot {document['spot']:,.2f}; rows {document['rows_in']:,}, live "
        f"{document['rows_live']:,}, contract lines live {document['lines_live']:,}"
    )
    left_out = ", ".join(f"{reason} {number:,}" for reason, number in document["dropped"].items() if number)
    console.out.print(f"lines left out: {left_out or 'none'}")
    blocks = {name: document[name] for name in ("own", "vendor", "forward") if document[name] is not None}
    rows = [[name, *(_shown(name, block.get(name)) for block in blocks.values())] for name in _ROWS]
    console.print_table(("bn USD per 1 %, points", *blocks), rows)
    zero_dte = document["zero_dte"]
    console.out.print(
        f"expiring this day: calls {zero_dte['gex_call_usd_per_1pct'] / _BILLION:+,.3f}, puts "
        f"{zero_dte['gex_put_usd_per_1pct'] / _BILLION:+,.3f} bn, zero gamma {_level(zero_dte['zero_gamma'])}; "
        f"next expiry: zero gamma {_level(document['zero_gamma_next'])}"
    )
    dex = document["dex_usd"]
    console.out.print(
        f"delta {'unknown' if dex is None else f'{dex / _BILLION:+,.1f} bn USD'}, vanna "
        f"{document['vex_usd_per_vol_point'] / _BILLION:+,.3f} bn USD per volatility point, charm "
        f"{document['chex_usd_per_day'] / _BILLION:+,.3f} bn USD per day"
    )
    _print_expiries(document["by_expiry"])
    if "by_strike" in document:
        _print_strikes(document["by_strike"])
    if document["flags"]:
        console.out.print(f"flags: {', '.join(document['flags'])}")
    if "plot" in document:
        console.out.print(f"drawn into {document['plot']}")


_ROWS = (
    "gex_call_usd_per_1pct",
    "gex_put_usd_per_1pct",
    "gex_net_usd_per_1pct",
    "net_to_gross",
    "gex_vol_call_usd_per_1pct",
    "gex_vol_put_usd_per_1pct",
    "zero_gamma",
    "zero_gamma_crossings",
    "call_wall",
    "put_wall",
    "call_wall_band",
    "put_wall_band",
    "net_max_strike",
    "net_min_strike",
    "abs_gamma_strike",
)


def _shown(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return ", ".join(f"{level:,.2f}" for level in value)
    if name == "net_to_gross":
        return f"{value:+.3f}"
    return f"{value / _BILLION:+,.3f}" if name.endswith("usd_per_1pct") else f"{value:,.2f}"


def _level(value: float | None) -> str:
    return "none" if value is None else f"{value:,.2f}"


def _print_expiries(expiries: list[dict[str, Any]]) -> None:
    rows = [
        (
            f"{entry['expiry']} {entry['settle_style']}",
            entry["dte_days"],
            f"{entry['gex_call_usd_per_1pct'] / _BILLION:+,.3f}",
            f"{entry['gex_put_usd_per_1pct'] / _BILLION:+,.3f}",
            ", ".join(f"{level:,.2f}" for level in entry["zero_gamma_crossings"]),
            entry["max_pain"],
            entry["forward"],
            None if entry["atm_iv"] is None else f"{entry['atm_iv']:.2%}",
        )
        for entry in expiries[:_SHOWN_EXPIRIES]
    ]
    columns = ("expiry", "days", "calls", "puts", "zero gamma", "max pain", "forward", "volatility")
    console.print_table(
        columns, rows, title=f"{len(expiries)} expiries, the first {len(rows)}; own greeks, bn USD per 1 %"
    )


def _print_strikes(strikes: list[dict[str, Any]]) -> None:
    names = ("gex_call_usd_per_1pct", "gex_put_usd_per_1pct", "gex_net_usd_per_1pct")
    rows = [
        (entry["strike"], *(f"{entry[name] / _BILLION:+,.4f}" for name in names), entry["oi_call"], entry["oi_put"])
        for entry in strikes
    ]
    console.print_table(
        ("strike", "calls", "puts", "net", "calls open", "puts open"), rows, title="own greeks, bn USD per 1 %"
    )
