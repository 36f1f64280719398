"""``backfill_l2``: one symbol and date of level 2 for a program, without an orchestrator.

Belongs here: the front door for scripts and notebooks. Does not belong here: how a day is bought and made
(``trading_platform.databento``), ranges, progress, runs.

It is the same builder, lake, raw cache, ledger and budget as those of the asset ``<SYM>/l2``, under the same locks. What it does not do is
tell Dagster: the partition shows as missing in the web UI until the next backfill of that day finds the file, sees that nothing has
changed, and records it (outcome SKIP) without a paid call.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..clock import Clock, SystemClock
from ..databento.account import open_vendor
from ..databento.l2_builder import L2Builder
from ..databento.source_facts import files_of
from ..databento.vendor import Vendor
from ..files import sha256_of
from ..home import Home, find_home, open_home
from ..instruments import load_registry, load_roll_table
from ..lake import DayResult, LocalLake, build_day
from ..settings import load_settings


@dataclass(frozen=True, slots=True)
class L2Day:
    """What became of one symbol and date.

    Attributes:
        symbol: as asked for, in its one spelling: ``nvda`` is NVDA.
        trade_date: the day.
        status: outcome, as in docs/architecture.md: WRITE, SKIP, EMPTY, CLOSED, DEGRADED, PENDING, MISSING, UNAVAIL or ERROR.
        rows: rows of the stored file; 0 if nothing is stored.
        path: the stored file; None if the day is not stored by this call (an older file of it is untouched).
        sha256: of that file; None without one.
        raw_sha256: of the DBN files that it was made from.
        cost_usd: what this call paid; 0 for everything that was there; None if the ledger cannot be read.
        warnings: what the vendor and the checks warn of.
        reason: why, for outcomes that have a reason.
        error: number of the error of a day that failed; None if it did not.
        next_command: what helps then.
        synthetic: the rows were generated.
        duration_ms: wall time, milliseconds.
    """

    symbol: str
    trade_date: date
    status: str
    rows: int
    path: Path | None
    sha256: str | None
    raw_sha256: tuple[str, ...]
    cost_usd: float | None
    warnings: tuple[str, ...]
    reason: str | None
    error: str | None
    next_command: str | None
    synthetic: bool
    duration_ms: float

    @property
    def zero_rows(self) -> bool:
        """Tell whether the day is stored and has no rows."""
        return self.path is not None and self.rows == 0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, with ``date`` beside ``trade_date`` as older scripts expect it."""
        values = {**asdict(self), "zero_rows": self.zero_rows}
        values["path"] = None if self.path is None else str(self.path)
        values["trade_date"] = values["date"] = self.trade_date.isoformat()
        return values


def backfill_l2(
    symbol: str,
    trade_date: date,
    *,
    home: Home | Path | None = None,
    max_usd: float | None = None,
    force: bool = False,
    clock: Clock | None = None,
) -> L2Day:
    """Bring one day of level 2 into the lake: bought once, within the budget, and never again.

    Warnings:
        The first call for a day costs money, unless its raw file is in the cache. The limits per run, day and month hold; a call counts as
        a run.

    Args:
        symbol: root of a future (``ES``: the contract of the roll table), share, raw symbol (``ESZ5``), continuous symbol (``ES.v.0``), or
            a name of the mapping file. Any other name may be written in small letters.
        trade_date: the session's date.
        home: the installation; default: as every command finds it.
        max_usd: most that this call may cost, USD; default: TP_DATABENTO_MAX_USD_PER_RUN.
        force: pay again although the raw file is in the cache; the older one is kept in its quarantine.
        clock: time of day; default: the machine's.

    Returns:
        What became of the day. A day that fails is a result with an error, not an exception.

    Raises:
        ConfigurationError: E101 settings, E102, E103 no home, E12x, E13x registry or rolls cannot be read, E140 no calendar for the date.
    """
    settings = load_settings()
    if home is None:
        home = find_home(settings)
    opened = home if isinstance(home, Home) else open_home(home)
    registry = load_registry(opened.instruments_toml)
    clock = SystemClock() if clock is None else clock
    vendor = open_vendor(
        opened,
        settings,
        registry,
        load_roll_table(registry, opened.rolls_csv),
        clock=clock,
        run_id=f"backfill_l2-{uuid.uuid4().hex}",
        max_usd=max_usd,
        rebuy=force,
    )
    return make_day(symbol, trade_date, LocalLake(opened.lake_dir), vendor, clock, force=force)


def make_day(
    symbol: str, trade_date: date, lake: LocalLake, vendor: Vendor, clock: Clock, *, force: bool = False
) -> L2Day:
    """Make one day with an opened vendor; see :func:`backfill_l2`.

    Args:
        symbol: see there.
        trade_date: see there.
        lake: where the day is stored.
        vendor: of this run.
        clock: time of day.
        force: make the day although nothing has changed; whether it is bought again is up to the vendor object.
    """
    builder = L2Builder(symbol, lake, vendor, clock)
    return day_of(builder.symbol, build_day(builder, trade_date, lake, force=force), vendor)


def day_of(symbol: str, result: DayResult, vendor: Vendor) -> L2Day:
    """Return a result of the builder as programs see it; hashes the stored file."""
    path = result.path if result.outcome.is_materialized else None
    raw, paid = files_of(result.details), vendor.paid_usd()
    told = [str(text) for file in raw for text in file.get("warnings", ())]
    failed = [f"{check.name}: {check.description}" for check in result.checks if not check.passed]
    return L2Day(
        symbol=symbol,
        trade_date=result.trade_date,
        status=result.outcome.value,
        rows=result.rows,
        path=path,
        sha256=None if path is None else sha256_of(path),
        raw_sha256=tuple(str(file["sha256"]) for file in raw),
        cost_usd=None if paid is None else paid.get((symbol, result.trade_date), 0.0),
        warnings=tuple(dict.fromkeys([*told, *failed])),
        reason=result.reason,
        error=None if result.error is None else result.error.code,
        next_command=None if result.error is None else result.error.next_command,
        synthetic=result.synthetic,
        duration_ms=round(result.seconds * 1_000, 3),
    )
