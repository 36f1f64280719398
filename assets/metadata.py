"""What people see on a partition page and on an asset page.

Belongs here: the translation of day results and contracts into Dagster metadata. Everything is small: an event holds at most 16 KB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from trading_platform.lake import DayPart, DayResult
from trading_platform.lake.building import CheckResult
from trading_platform.lake.contract import DatasetContract
from trading_platform.settings import SYNTHETIC_LABEL

from .pictures import pictures_of

# Shown as entries of their own, which the UI plots over partitions; the others stand in one JSON entry. Every entry costs
# time whenever an event is written or read.
_SHOWN_FACTS = (
    "contract",
    "volume_sum",
    "price_min",
    "price_max",
    "first_ts",
    "last_ts",
    "largest_gap_s",
    "rejected_rows",
)

# An event holds 16 KB: so many rows of so long reasons leave half of it to everything else.
_MOST_PARTS, _MOST_REASON = 40, 120

# Keys that the planner and other tools read back from the latest event of a partition.
OUTCOME = "outcome"
COMPLETE = "complete"
FINGERPRINT = "fingerprint"
ERROR_CODE = "error_code"


def event_metadata(result: DayResult, *, symbol: str, dataset: str) -> dict[str, Any]:
    """Describe a materialized day."""
    metadata: dict[str, Any] = {}
    metadata |= pictures_of(result, title=f"{symbol} {dataset} {result.trade_date.isoformat()}")
    if result.synthetic:
        metadata["synthetic"] = SYNTHETIC_LABEL
    metadata[OUTCOME] = result.outcome.value
    if result.reason:
        metadata["reason"] = result.reason
    metadata[COMPLETE] = dg.MetadataValue.bool(result.complete)
    metadata["dagster/partition_row_count"] = dg.MetadataValue.int(result.rows)
    if result.checks:
        metadata["checks"] = _check_table(result.checks)
    if result.rejected:
        metadata["rejected_by_reason"] = dg.MetadataValue.table(
            [dg.TableRecord({"reason": reason, "rows": rows}) for reason, rows in sorted(result.rejected.items())]
        )
    metadata |= {name: result.facts[name] for name in _SHOWN_FACTS if result.facts.get(name) is not None}
    if result.facts:
        metadata["facts"] = dg.MetadataValue.json(dict(result.facts))
    if result.parts:
        metadata["parts"] = _part_table(result.parts)
    if result.details:
        metadata["source"] = dg.MetadataValue.json(dict(result.details))
    metadata["size_bytes"] = dg.MetadataValue.int(result.size_bytes)
    metadata["seconds"] = dg.MetadataValue.float(round(result.seconds, 4))
    metadata[FINGERPRINT] = result.fingerprint or ""
    metadata["content_hash"] = result.content_hash or ""
    if result.path is not None:
        metadata["path"] = dg.MetadataValue.path(str(result.path))
    return metadata


def failure_metadata(result: DayResult) -> dict[str, Any]:
    """Describe a day that was not materialized, for the observation on its partition page."""
    metadata: dict[str, Any] = {OUTCOME: result.outcome.value, "reason": result.reason or ""}
    if result.error is not None:
        metadata |= {
            "error": str(result.error),
            ERROR_CODE: result.error.code,
            "next_command": result.error.next_command,
        }
    if result.checks:
        metadata["checks"] = _check_table(result.checks)
    if result.parts:
        metadata["parts"] = _part_table(result.parts)
    return metadata


def describe_failures(failures: Iterable[DayResult]) -> str:
    """List failed days, one line each, for the message of the run failure."""
    lines = [f"{r.trade_date.isoformat()} {r.outcome.value}: {_first_line(r)}" for r in failures]
    return f"{len(lines)} day(s) not materialized, the others are done:\n" + "\n".join(lines)


DescribeColumns = Callable[[DatasetContract], Mapping[str, dg.TableSchema]]


def column_schema(contract: DatasetContract) -> Mapping[str, dg.TableSchema]:
    """Return the columns of a contract as metadata for the asset page."""
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.dtype,
                description=f"{column.description} [{column.unit}]" if column.unit else column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in contract.columns
        ]
    )
    return {"dagster/column_schema": schema}


def no_column_schema(contract: DatasetContract) -> Mapping[str, dg.TableSchema]:  # noqa: ARG001
    """Return no metadata, for processes that show no asset page."""
    return {}


def is_done(metadata: Mapping[str, dg.MetadataValue[Any]]) -> bool:
    """Tell from a partition's latest event whether its session had ended when it was made."""
    value = metadata.get(COMPLETE)
    return value is not None and bool(value.value)


def _check_table(checks: Iterable[CheckResult]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "check": check.name,
                    "result": "passed" if check.passed else check.severity.value,
                    "measured": check.description,
                }
            )
            for check in checks
        ]
    )


def _part_table(parts: Sequence[DayPart]) -> dg.TableMetadataValue:
    """Return one record per file, those with something to tell first, and as many as an event holds."""
    told = sorted(parts, key=lambda part: not _told(part.result))
    records: list[dict[str, Any]] = [
        {
            "symbol": part.symbol,
            "outcome": part.result.outcome.value,
            "rows": part.result.rows,
            "paid_usd": _usd(part.cost_usd),
            "reason": _told(part.result)[:_MOST_REASON],
        }
        for part in told[:_MOST_PARTS]
    ]
    if len(told) > _MOST_PARTS:
        left = told[_MOST_PARTS:]
        rows, costs = sum(part.result.rows for part in left), [part.cost_usd for part in left]
        # One that is not known makes the sum unknown.
        paid = None if None in costs else sum(cost for cost in costs if cost is not None)
        more = {"symbol": f"{len(left)} more", "outcome": "", "rows": rows, "paid_usd": _usd(paid), "reason": ""}
        records.append(more)
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records])


def _usd(cost_usd: float | None) -> float | None:
    return None if cost_usd is None else round(cost_usd, 6)


def _told(result: DayResult) -> str:
    """Return why a file is not there, or what is remarkable about it."""
    if not result.outcome.is_materialized:
        return _first_line(result)
    warned = [f"{check.name}: {check.description}" for check in result.checks if not check.passed]
    return "; ".join([*([result.reason] if result.reason else ()), *warned])


def _first_line(result: DayResult) -> str:
    if result.error is not None:
        return f"{result.error.code} {result.error.what}"
    return result.reason or ""
