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
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ..errors import SourceError
from ..instants import instant_of, us_of
from ..lake import Json
from ..lake.contracts import CHAIN
from ..sessions import TradingCalendar
from .days import AM, NEW_YORK, PM, market_date_of, settlement
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
    rows: list[dict[str, Any]] = []
    left_out: dict[str, int] = {}
    for record in latest.iter_rows(named=True):
        row, reason = _contract(record, symbol, calendar)
        if row is None:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            rows.append(row)
    names = ("root", "expiry", "settlement_at", "settle_style", "right", "strike", "multiplier", "option_symbol")
    types = {name: CHAIN.polars_schema[name] for name in names}
    types |= dict.fromkeys(("root", "settle_style", "right"), pl.String())
    schema = {"instrument_id": pl.UInt32(), **types}
    return pl.DataFrame(rows, schema=schema, orient="row"), dict(sorted(left_out.items()))


def _contract(record: Mapping[str, Any], symbol: str, calendar: TradingCalendar) -> tuple[dict[str, Any] | None, str]:
    right = record["instrument_class"]
    if right not in ("C", "P"):
        return None, "not_an_option"
    if record["strike_price"] == _UNDEFINED_I64 or record["expiration"] == _UNDEFINED_U64:
        return None, "no_strike_or_expiry"
    occ = _occ_symbol(record["raw_symbol"])
    root = occ[:-15] if occ is not None else record["asset"]
    if symbol not in (underlying_of(root), record["underlying"], record["asset"]):
        return None, "other_underlying"
    if occ is not None and is_adjusted(root):
        return None, "adjusted_contract"
    multiplier = _multiplier(record, occ is not None)
    if multiplier is None:
        return None, "no_multiplier"
    expires = instant_of(int(record["expiration"]) // 1_000)
    if occ is not None:  # OPRA sends the date alone, as midnight UTC
        expiry: date = expires.date()
        style = settle_style_of(root)
        settles = settlement(expiry, style, calendar).at
    else:
        local = expires.astimezone(NEW_YORK)
        expiry, style, settles = local.date(), AM if local.hour < 12 else PM, expires
    return {
        "instrument_id": record["instrument_id"],
        "root": root,
        "expiry": expiry,
        "settlement_at": settles,
        "settle_style": style,
        "right": right,
        "strike": record["strike_price"] / 1e9,  # dividing rounds once, so that 250 stays 250
        "multiplier": multiplier,
        "option_symbol": occ or record["raw_symbol"],
    }, ""


def _multiplier(record: Mapping[str, Any], listed_by_occ: bool) -> int | None:  # noqa: FBT001
    """Return USD per point; OPRA leaves it out because all its contracts that are not adjusted have the same."""
    if record["contract_multiplier"] not in (_UNDEFINED_I32, 0):
        return int(record["contract_multiplier"])
    if record["unit_of_measure_qty"] != _UNDEFINED_I64:
        return int(record["unit_of_measure_qty"]) // 1_000_000_000
    return CONTRACT_MULTIPLIER if listed_by_occ else None


def _occ_symbol(raw: str) -> str | None:
    """Return an OCC symbol without blanks (``AAPL  250221C00250000``); None if it is none."""
    text = raw.replace(" ", "")
    tail = text[-15:]
    is_occ = len(text) > 15 and tail[:6].isdigit() and tail[6] in "CP" and tail[7:].isdigit()
    return text if is_occ else None


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
