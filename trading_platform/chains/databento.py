"""DataBento records of options as a chain: definitions say what a contract is, statistics its open interest.

Belongs here: ``definition`` and ``statistics`` records that somebody else has fetched and decoded. Does not belong here: requests, files,
quotes, storage.

Prices are whole 1e-9 points and times whole nanoseconds; the largest number of a field means that it is not set. A consolidated feed (OPRA)
sends each record once per publisher: they are the same fact, never to be added up.

Source: DataBento, "Instrument definitions" and "Statistics" schemas; stat types 9 open interest, 14 volatility, 15 delta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ..errors import SourceError
from ..instants import NEW_YORK, us_of
from ..lake import Json
from ..lake.contracts import CHAIN
from ..sessions import TradingCalendar
from .days import AM, PM, market_date_of, settlements
from .roots import CONTRACT_MULTIPLIER, is_adjusted, settle_style_of, underlying_of

SOURCE: Final = "databento"
Records = pl.DataFrame | npt.NDArray[np.void]

_UNDEFINED_I64 = np.iinfo(np.int64).max
_UNDEFINED_U64 = np.iinfo(np.uint64).max
_UNDEFINED_I32 = np.iinfo(np.int32).max
_FIXED = 1e-9
_OPEN_INTEREST, _VOLATILITY, _DELTA = 9, 14, 15
_DELETED_STATISTIC, _DELETED_DEFINITION = 2, "D"
_DEFINITION_FIELDS = (
    "instrument_id", "ts_recv", "publisher_id", "raw_symbol", "asset", "underlying", "instrument_class", "expiration", "strike_price",
    "contract_multiplier", "unit_of_measure_qty", "security_update_action",
)  # fmt: skip
_STATISTIC_FIELDS = (
    "instrument_id", "ts_recv", "ts_ref", "publisher_id", "sequence", "stat_type", "price", "quantity", "update_action",
)  # fmt: skip


@dataclass(frozen=True)
class DatabentoChain:
    """A chain as of one instant.

    Attributes:
        frame: one row per contract, sorted by option symbol; columns of the contract ``chain`` with text as text. Bid, ask, last, volume
            and vendor gamma are null, because these records have none.
        facts: ``definitions``, ``statistics`` (records known at the instant), ``rows``, ``left_out`` {reason: n}, ``repeated_statistics``
            (records that another publisher had sent too), ``open_interest_disagreements``, ``without_open_interest``.
    """

    frame: pl.DataFrame
    facts: Mapping[str, Json]


def chain_from_records(
    definitions: Records,
    statistics: Records,
    *,
    symbol: str,
    observed_at: datetime,
    calendar: TradingCalendar,
    spot: float | None = None,
) -> DatabentoChain:
    """Make a chain of definition and statistics records.

    Args:
        definitions: records of the schema ``definition``, as ``DBNStore.to_ndarray`` gives them or as a frame of the same fields.
        statistics: records of the schema ``statistics``, likewise.
        symbol: the underlying; contracts of others are left out. For options on futures the product, e.g. ``ES``.
        observed_at: aware instant as of which the chain is made; records received later do not exist yet.
        calendar: of the underlying.
        spot: price of the underlying at that instant, points; None if not known.

    Returns:
        The chain. Of several records of a contract the last received counts; open interest is the last value of any publisher.

    Raises:
        SourceError: E254 the records are of another schema.
    """
    known_ns = us_of(observed_at) * 1_000 + 999  # everything up to the last nanosecond of the microsecond
    defined = _frame_of(definitions, _DEFINITION_FIELDS, "definition").filter(pl.col("ts_recv") <= known_ns)
    told = _frame_of(statistics, _STATISTIC_FIELDS, "statistics").filter(pl.col("ts_recv") <= known_ns)
    latest = (
        defined.sort("ts_recv", "publisher_id", maintain_order=True)
        .unique("instrument_id", keep="last", maintain_order=True)
        .filter(pl.col("security_update_action") != _DELETED_DEFINITION)
    )
    contracts, left_out = _contracts(latest, symbol, calendar)
    open_interest, repeated, disagreements = _statistic(told, _OPEN_INTEREST, "quantity")
    volatility, _, _ = _statistic(told, _VOLATILITY, "price")
    delta, _, _ = _statistic(told, _DELTA, "price")
    joined = (
        contracts.join(open_interest.rename({"value": "open_interest"}), on="instrument_id", how="left")
        .join(volatility.select("instrument_id", iv=pl.col("value") * _FIXED), on="instrument_id", how="left")
        .join(delta.select("instrument_id", vendor_delta=pl.col("value") * _FIXED), on="instrument_id", how="left")
    )
    reference = pl.when(pl.col("ts_ref") < _UNDEFINED_U64).then(pl.col("ts_ref"))
    frame = joined.with_columns(
        open_interest_date=(reference // 1_000).cast(pl.Int64).cast(pl.Datetime("us")).dt.date(),
        observed_at=pl.lit(observed_at.astimezone(UTC), pl.Datetime("us", "UTC")),
        market_date=pl.lit(market_date_of(observed_at, calendar), pl.Date),
        spot=pl.lit(spot, pl.Float64),
        is_repeat=pl.lit(value=False),
        source=pl.lit(SOURCE),
        volume=pl.lit(None, pl.Int64),
        **{name: pl.lit(None, pl.Float64) for name in ("bid", "ask", "last", "vendor_gamma")},
    )
    frame = frame.select(CHAIN.arrow_schema.names).sort("option_symbol")
    facts: dict[str, Json] = {
        "definitions": defined.height,
        "statistics": told.height,
        "rows": frame.height,
        "left_out": left_out,
        "repeated_statistics": repeated,
        "open_interest_disagreements": disagreements,
        "without_open_interest": frame["open_interest"].null_count(),
    }
    return DatabentoChain(frame, facts)


def _statistic(told: pl.DataFrame, stat_type: int, field: str) -> tuple[pl.DataFrame, int, int]:
    """Return the last value per instrument, how many records of other publishers repeat it, and on how many instruments they differ."""
    mine = told.filter(pl.col("stat_type") == stat_type).sort("ts_recv", "sequence", maintain_order=True)
    by_publisher = mine.unique(["instrument_id", "publisher_id"], keep="last", maintain_order=True).filter(
        (pl.col("update_action") != _DELETED_STATISTIC) & (pl.col(field) != _UNDEFINED_I64)
    )
    differing = by_publisher.group_by("instrument_id").agg(pl.col(field).n_unique().alias("values"))
    last = by_publisher.unique("instrument_id", keep="last", maintain_order=True)
    value = last.select("instrument_id", pl.col(field).alias("value"), "ts_ref")
    if stat_type != _OPEN_INTEREST:
        value = value.drop("ts_ref")
    return value, by_publisher.height - last.height, differing.filter(pl.col("values") > 1).height


def _contracts(latest: pl.DataFrame, symbol: str, calendar: TradingCalendar) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return option contracts of the underlying with the columns that a definition decides, and what was left out by reason."""
    named = _with_roots(latest)
    judged = named.with_columns(multiplier=_multiplier()).with_columns(reason=_reason(named, symbol))
    left_out = judged.drop_nulls("reason").group_by("reason").len().sort("reason")
    good = _with_settlement(judged.filter(pl.col("reason").is_null()), calendar)
    contracts = good.select(
        "instrument_id",
        "root", "expiry", "settlement_at", "settle_style",
        pl.col("instrument_class").alias("right"),
        (pl.col("strike_price") / 1e9).alias("strike"),  # dividing rounds once, so that 250 stays 250
        pl.col("multiplier").cast(pl.Int32),
        pl.coalesce("occ_symbol", "raw_symbol").alias("option_symbol"),
    )  # fmt: skip
    return contracts, dict(left_out.iter_rows())


def _with_roots(latest: pl.DataFrame) -> pl.DataFrame:
    """Add the OCC symbol without blanks (``AAPL  250221C00250000``), null for others, the root, and its underlying."""
    text = pl.col("raw_symbol").str.replace_all(" ", "", literal=True)
    occ = pl.when(text.str.contains(r"^.+[0-9]{6}[CP][0-9]{8}$")).then(text)
    named = latest.with_columns(occ_symbol=occ)
    named = named.with_columns(root=pl.coalesce(pl.col("occ_symbol").str.head(-15), "asset"))
    underlyings = {root: underlying_of(root) for root in named["root"].unique()}
    return named.with_columns(root_underlying=pl.col("root").replace(underlyings))


def _reason(named: pl.DataFrame, symbol: str) -> pl.Expr:
    """Return why a definition is left out; null for those that are not."""
    adjusted = [root for root in named["root"].unique() if is_adjusted(root)]
    described = (pl.col(name) == symbol for name in ("root_underlying", "underlying", "asset"))
    return (
        pl.when(~pl.col("instrument_class").is_in(["C", "P"])).then(pl.lit("not_an_option"))
        .when((pl.col("strike_price") == _UNDEFINED_I64) | (pl.col("expiration") == _UNDEFINED_U64)).then(pl.lit("no_strike_or_expiry"))
        .when(~pl.any_horizontal(described)).then(pl.lit("other_underlying"))
        .when(pl.col("occ_symbol").is_not_null() & pl.col("root").is_in(adjusted)).then(pl.lit("adjusted_contract"))
        .when(pl.col("multiplier").is_null()).then(pl.lit("no_multiplier"))
    )  # fmt: skip


def _multiplier() -> pl.Expr:
    """Return USD per point; OPRA leaves it out because all its contracts that are not adjusted have the same."""
    stated, quantity = pl.col("contract_multiplier"), pl.col("unit_of_measure_qty")
    return (
        pl.when(~stated.is_in([_UNDEFINED_I32, 0])).then(stated.cast(pl.Int64))
        .when(quantity != _UNDEFINED_I64).then(quantity.cast(pl.Int64) // 1_000_000_000)
        .when(pl.col("occ_symbol").is_not_null()).then(pl.lit(CONTRACT_MULTIPLIER, pl.Int64))
    )  # fmt: skip


def _with_settlement(contracts: pl.DataFrame, calendar: TradingCalendar) -> pl.DataFrame:
    """Add expiry, style and instant of settlement: by the calendar for OPRA, which sends the date alone, as midnight UTC."""
    by_date = pl.col("occ_symbol").is_not_null()
    expires = (pl.col("expiration") // 1_000).cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = expires.dt.convert_time_zone(NEW_YORK.key)
    styles = {root: settle_style_of(root) for root in contracts["root"].unique()}
    dated = contracts.with_columns(
        expiry=pl.when(by_date).then(expires.dt.date()).otherwise(local.dt.date()),
        settle_style=pl.when(by_date)
        .then(pl.col("root").replace(styles))
        .otherwise(pl.when(local.dt.hour() < 12).then(pl.lit(AM)).otherwise(pl.lit(PM))),
    )
    found = settlements(dated.filter(by_date).select("expiry", "settle_style").unique().iter_rows(), calendar)
    table = pl.DataFrame(
        [(expiry, style, one.at) for (expiry, style), one in found.items()],
        schema={"expiry": pl.Date, "settle_style": pl.String, "settles_at": pl.Datetime("us", "UTC")},
        orient="row",
    )
    return dated.join(table, on=["expiry", "settle_style"], how="left", maintain_order="left").with_columns(
        settlement_at=pl.when(by_date).then(pl.col("settles_at")).otherwise(expires)
    )


def _frame_of(records: Records, fields: tuple[str, ...], schema: str) -> pl.DataFrame:
    """Return the fields as a frame; texts are decoded, times are unsigned nanoseconds."""
    names = records.columns if isinstance(records, pl.DataFrame) else list(records.dtype.names or ())
    missing = [field for field in fields if field not in names]
    if missing:
        raise SourceError(
            "E254",
            f"the records are not of the schema {schema}: {', '.join(missing)} missing",
            "a file of another schema was read, or a later version of DataBento's format; nothing was stored",
            "tp doctor",
        )
    if isinstance(records, pl.DataFrame):
        return records.select(fields)
    columns = {}
    for field in fields:
        values = np.ascontiguousarray(records[field])
        columns[field] = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
    return pl.DataFrame({field: _text(values) for field, values in columns.items()})


def _text(values: npt.NDArray[Any]) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String) if values.dtype.kind == "U" else pl.Series(values)
