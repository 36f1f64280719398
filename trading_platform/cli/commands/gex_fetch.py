"""``tp gex fetch``: download history files of the gamma feed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import SourceError
from ...home import refuse_mixture
from ...instruments import load_registry
from ...settings import load_settings
from .. import console
from ..folders import home_or_none
from ..options import DryRunOption, JsonOption

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ...gexfeed.fetch import Fetched, HistoryRequest

FETCH_HELP = """
Download history files of the gamma feed into the folder that TP_GEX_DIR names.

Example: tp gex fetch 2025-11-13 2025-11-14 --ticker NQ_NDX --category gex_full

One file per day and category; those that are there already are kept unless --force is given. A future such as MNQ stands for the series
that the registry names for it (gex_underlying); SPX and NDX are series of their own. With a key in TP_GEX_API_KEY the vendor's API is
asked, without one its file host. A file that fails does not hold up the others, and an older one is replaced only by a whole new one.
"""


def fetch(
    dates: Annotated[
        list[datetime] | None, typer.Argument(metavar="[DATE]...", formats=["%Y-%m-%d"], help="Trade dates")
    ] = None,
    ticker: Annotated[str, typer.Option("--ticker", help="The vendor's series, e.g. NQ_NDX")] = "NQ_NDX",
    category: Annotated[
        list[str] | None, typer.Option("--category", help="gex_full, gex_zero or gex_one; repeat for several")
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", help="Address of a history file; repeat for several")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; default: TP_GEX_DIR")] = None,
    force: Annotated[bool, typer.Option("--force", help="Download files that are there already")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Download, show what became of each file, and fail if one did."""
    from ...gexfeed.fetch import fetch_all
    from ...gexfeed.transport import Transport

    key = api_key()
    days = [value.date() for value in dates or ()]
    requests = queue_of(days, ticker, category or ["gex_full"], url or [], with_key=key is not None)
    folder = folder_of(out)
    transport = Transport()
    try:
        results = fetch_all(
            requests,
            folder,
            transport,
            key=key,
            force=force,
            dry_run=dry_run,
            progress=None if json_output else _say,
        )
    finally:
        transport.close()
    failed = [result for result in results if result.error is not None]
    if json_output:
        console.print_json({"dry_run": dry_run, "folder": str(folder), "files": [as_json(one) for one in results]})
    else:
        console.out.print(summary(results, folder, dry_run=dry_run))
        for result in failed:
            if result.error is not None:
                console.print_error(result.error)
    if failed:
        raise typer.Exit(console.EXIT_REFUSED)


def queue_of(
    days: list[date], ticker: str, categories: list[str], urls: list[str], *, with_key: bool
) -> list[HistoryRequest]:
    """Return what to download.

    Raises:
        typer.BadParameter: neither a day nor a URL is named.
        SourceError: E278 a ticker, category or URL that cannot be one of the vendor's.
    """
    from ...gexfeed.fetch import history_request, requests_of_urls, vendor_ticker

    if not days and not urls:
        raise typer.BadParameter("name trade dates such as 2025-11-14, or --url", param_hint="DATE")
    home = home_or_none()
    series = vendor_ticker(ticker, load_registry(None if home is None else home.instruments_toml))
    requests = [history_request(day, series, category, with_key=with_key) for day in days for category in categories]
    return [*requests, *requests_of_urls(urls)]


def folder_of(out: Path | None) -> Path:
    """Return the option, else what TP_GEX_DIR names, else the folder recorded by ``tp init``.

    Raises:
        ConfigurationError: E104 the home is a demo, whose folder holds synthetic files.
        SourceError: E263 none is given.
    """
    if out is not None:
        return out
    home = home_or_none()
    if home is not None and home.is_demo:
        refuse_mixture(home.path, demo=False)
    configured = load_settings().gex_dir or (None if home is None else home.gex_dir)
    if configured is None:
        raise SourceError(
            "E263",
            "no folder for history files of the gamma feed: TP_GEX_DIR is not set and --out is not given",
            "files are read from the folder that TP_GEX_DIR names, so they are put there; nothing was downloaded",
            "tp config",
        )
    return configured


def api_key() -> SecretStr | None:
    """Return the key for the vendor's API; None if there is none."""
    return load_settings().gex_api_key


def summary(results: list[Fetched], folder: Path, *, dry_run: bool) -> str:
    """Return one line on all files."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    text = ", ".join(f"{number} {status}" for status, number in counts.items())
    return f"{text}; folder {folder}" + ("\ndry run: nothing was downloaded" if dry_run else "")


def as_json(result: Fetched) -> dict[str, Any]:
    """Return a result for programs; URLs without their query."""
    return {
        "trade_date": result.request.trade_date.isoformat(),
        "ticker": result.request.ticker,
        "category": result.request.category,
        "status": str(result.status),
        "url": result.url,
        "path": None if result.path is None else str(result.path),
        "size_bytes": result.size_bytes,
        "sha256": result.sha256,
        "error": None if result.error is None else result.error.as_dict(),
    }


def _say(result: Fetched) -> None:
    request = result.request
    size = f" {result.size_bytes / 1e6:,.1f} MB" if result.size_bytes else ""

    console.out.print(f"{result.status} {request.trade_date} {request.ticker} {request.category}{size} {result.url}")
