"""``tp gex``: what an option chain says about gamma."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import command
from .. import console
from ..options import JsonOption, command_family
from .gex_fetch import FETCH_HELP, fetch

_CHAIN = """
Compute gamma exposure, zero gamma, walls and max pain of one saved option chain (a Cboe quote table). Nothing is stored.

Save the table as CSV from the page of delayed quotes at cboe.com: page in English, all expirations, full range of strikes.

Example: tp gex chain spx_quotedata.csv --plot spx.png

Signs are naive: dealers long calls, short puts; sums are US dollars of delta per 1 % move. "own" uses own greeks from the volatilities in
the file with rates of zero, "vendor" the gamma in the file, "forward" volatilities from the quotes on the parity forward of each expiry.
Series that had settled when the file was saved count nowhere. A row is a row of the file: one strike and expiry, call and put side by side.
A line is one contract, a call or a put, so a row holds two lines.

Empty is unknown, 0 was computed and is zero: a sum of which no line is known stays empty. The walls "band" are the strongest strikes near
spot: within --band percent of it, of expiries up to --max-dte days. The flag flip_side_disagrees says that "own" and "forward" see spot on
different sides of zero gamma, or nets of different signs.

The derived figures follow from the own sums; distances are spot minus level. The compression score (0 to 100) describes how much exposure
lies around spot; no rule uses it.
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
    band: Annotated[
        float, typer.Option("--band", min=0.0, max=100.0, help="Half width of the band of near walls, percent of spot")
    ] = 3.0,
    max_dte: Annotated[
        int | None,
        typer.Option("--max-dte", min=0, help="Near walls count expiries up to so many calendar days; default: all"),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Compute and print."""
    moment = None if asof is None else _moment(asof)
    from ...chains import read_quote_table
    from ...gex import compute_levels
    from ...gex.report import as_json

    decoded = read_quote_table(file, now=SystemClock().now())
    levels = compute_levels(
        decoded.frame,
        asof=moment,
        band_frac=band / 100.0,
        band_max_dte_days=max_dte,
        name=file.name,
        next_command=command("tp", "gex", "chain", file if asof is not None else "--help"),
    )
    document = as_json(levels, symbol=decoded.symbol, source="cboe", strikes=strikes, file_facts=decoded.facts)
    document = {
        "file": file.name,
        "file_name_date": decoded.facts["file_name_date"],
        "synthetic": decoded.header.synthetic,
        **document,
    }
    if plot is not None:
        from ...gex.plot import plot_profile

        again = command("tp", "gex", "chain", file, "--plot", "profile.png")
        plot_profile(levels, plot, symbol=decoded.symbol, synthetic=decoded.header.synthetic, next_command=again)
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


def _print(document: Mapping[str, Any]) -> None:
    if document["synthetic"]:
        console.label_synthetic()
    console.out.print(
        f"{document['symbol']} {document['asof']}, spot {document['spot']:,.2f}\n"
        f"rows of the file (one strike and expiry, both sides): {document['rows_in']:,}, live {document['rows_live']:,}, settled "
        f"{document['rows_settled']:,}\n"
        f"lines (one contract, a call or a put): {document['lines_in']:,}, live {document['lines_live']:,}"
    )
    left_out = ", ".join(f"{reason} {number:,}" for reason, number in document["dropped"].items() if number)
    console.out.print(f"lines left out of the own sums: {left_out or 'none'}")
    unknown = document["oi_unknown_pct"]
    if any(unknown.values()):
        shares = ", ".join(f"{side}s {share:.2f} %" for side, share in unknown.items() if share is not None)
        console.out.print(f"lines without a number for open interest, which makes sums too small: {shares}")
    blocks = {name: document[name] for name in ("own", "vendor", "forward") if document[name] is not None}
    rows = [[name, *(_shown(name, block.get(name)) for block in blocks.values())] for name in _ROWS]
    console.print_table(("bn USD per 1 %, points", *blocks), rows)
    if document["vendor"] is not None:
        console.out.print(f"zero gamma of vendor is that of own: {document['vendor']['zero_gamma_method']}")
    _print_derived(document["derived"])
    zero_dte = document["zero_dte"]
    console.out.print(
        f"expiring this day: calls {_billions(zero_dte['gex_call_usd_per_1pct'])}, puts "
        f"{_billions(zero_dte['gex_put_usd_per_1pct'])} bn, zero gamma {_level(zero_dte['zero_gamma'])}; "
        f"next expiry: zero gamma {_level(document['zero_gamma_next'])}"
    )
    console.out.print(
        f"delta {_billions(document['dex_usd'], '+,.1f')} bn USD, vanna {_billions(document['vex_usd_per_vol_point'])} bn USD per "
        f"volatility point, charm {_billions(document['chex_usd_per_day'])} bn USD per day"
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


def _billions(value: float | None, shape: str = "+,.3f") -> str:
    return "unknown" if value is None else format(value / _BILLION, shape)


def _cell(value: float | None, shape: str = "+,.3f") -> str | None:
    """Return a sum in billions for a table; an unknown one stays empty."""
    return None if value is None else format(value / _BILLION, shape)


def _print_derived(derived: Mapping[str, Any]) -> None:
    """Print the derived figures, each with what it refers to; an unknown one stays empty."""
    lower, upper, wall = (_level(derived[name]) for name in ("ramp_lower_strike", "ramp_upper_strike", "nearest_wall"))
    side = {None: "", "both": " (call, put)"}.get(derived["nearest_wall_side"], f" ({derived['nearest_wall_side']})")
    million = "million USD per 1 % and point"
    rows = [
        ("net divided by spot", _number(derived["gex_normalised_musd_per_1pct_per_point"], "+,.3f"), million),
        (f"ramp, {lower} to {upper}", _number(derived["gex_ramp_musd_per_1pct_per_point"], "+,.3f"), million),
        (f"spot minus wall {wall}{side}", _distance(derived, "dist_to_nearest_wall"), "points"),
        ("spot minus zero gamma", _distance(derived, "dist_to_flip"), "points"),
        ("compression score", _number(derived["compression_score"], ".2f"), "0 to 100, descriptive"),
    ]
    console.print_table(("derived of own", "value", "unit"), rows)


def _distance(derived: Mapping[str, Any], name: str) -> str | None:
    points = derived[f"{name}_points"]
    return None if points is None else f"{points:+,.2f} ({derived[f'{name}_pct']:+.3f} %)"


def _number(value: float | None, shape: str) -> str | None:
    return None if value is None else format(value, shape)


def _print_expiries(expiries: list[dict[str, Any]]) -> None:
    rows = [
        (
            f"{entry['expiry']} {entry['settle_style']}",
            entry["dte_days"],
            _cell(entry["gex_call_usd_per_1pct"]),
            _cell(entry["gex_put_usd_per_1pct"]),
            ", ".join(f"{level:,.2f}" for level in entry["zero_gamma_crossings"] or []),
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
        (entry["strike"], *(_cell(entry[name], "+,.4f") for name in names), entry["oi_call"], entry["oi_put"])
        for entry in strikes
    ]
    console.print_table(
        ("strike", "calls", "puts", "net", "calls open", "puts open"), rows, title="own greeks, bn USD per 1 %"
    )
