"""Stage catalog: the coverage board as an asset, and the run history as the board reads it through Dagster.

Belongs here: the rows of the board from asset specs, the asset whose page shows the board. Does not belong here: how days are judged and
drawn (``trading_platform.coverage``), the board on the command line (``jobs/coverage.py``).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from trading_platform.coverage.assemble import Surroundings, latest_due, make_board
from trading_platform.coverage.board import Board
from trading_platform.coverage.history import DayEvents, failure_text
from trading_platform.coverage.html import write_page
from trading_platform.coverage.picture import summary_picture
from trading_platform.coverage.series import Series
from trading_platform.coverage.states import LOOKS
from trading_platform.instruments import Registry
from trading_platform.lake.contracts import CONTRACTS
from trading_platform.settings import SYNTHETIC_LABEL

from . import keys
from .dated import OWNERS
from .metadata import is_done
from .partitions import FIRST_TRADE_DATE, TRADE_DATES

HTML_NAME = "coverage.html"
CACHE_NAME = "coverage"
_MOST_ROWS = 40
_AT_ONCE = 500


class CoverageConfig(dg.Config):
    """What one run shows.

    Attributes:
        trade_dates: weekdays up to the latest opened trade date.
    """

    trade_dates: int = 260


def coverage_asset(dated: Sequence[dg.AssetsDefinition], *, is_demo: bool = False) -> dg.AssetsDefinition:
    """Define ``lake/coverage`` after all dated datasets; the market of a demo ended with its last stored day."""
    specs = [spec for asset in dated for spec in asset.specs]

    @dg.asset(
        key=keys.COVERAGE,
        deps=[spec.key for spec in specs],
        group_name="catalog",
        kinds={"svg", "html"},
        owners=OWNERS,
        tags={"stage": "catalog"},
        description=(
            "Which trade dates of which datasets are complete, partial, empty, closed, degraded, quarantined, stale, refresh failed or "
            "missing, with reasons: the board that `tp status` prints, as a picture, a table and a page."
        ),
        code_version="1",
        pool="disk_heavy",
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn("asset", "string", description="Dataset and symbol, one row of the board"),
                    dg.TableColumn("states", "string", description="Trade dates by state"),
                ]
            )
        },
        required_resource_keys={"lake", "sierra", "reference_data", "clock"},
    )
    def coverage(context: dg.AssetExecutionContext, config: CoverageConfig) -> None:
        resources = context.resources
        registry = resources.reference_data.registry()
        rows = series_of(specs, registry)
        now = resources.clock.clock().now()
        last = latest_due(rows, resources.lake.lake().root, now, is_demo=is_demo)
        first = max(FIRST_TRADE_DATE, weekday_before(last, config.trade_dates))
        around = Surroundings(
            lake_root=resources.lake.lake().root,
            cache_dir=Path(resources.sierra.cache_dir) / CACHE_NAME,
            history=InstanceHistory(context.instance),
            now=now,
            calendars={},
        )
        board = make_board(rows, {row.name: row for row in rows}, first, last, around, has_holes=is_demo)
        html = resources.lake.lake().root / HTML_NAME
        write_page(board, html)
        context.add_output_metadata(board_metadata(board, html))

    return coverage


def series_of(specs: Iterable[dg.AssetSpec], registry: Registry) -> list[Series]:
    """Return the rows of the board: all assets with trade dates, symbol by symbol as they are active, datasets as they are listed."""
    dated = [spec for spec in specs if spec.partitions_def is TRADE_DATES or spec.partitions_def == TRADE_DATES]
    names = {spec.key.to_user_string() for spec in dated}
    rows = []
    for spec in dated:
        symbol, dataset = spec.key.path
        contract = CONTRACTS[dataset]
        upstream = (dep.asset_key.to_user_string() for dep in spec.deps)
        rows.append(
            Series(
                symbol=symbol,
                dataset=dataset,
                folder=contract.folder,
                calendar=registry.get(symbol).calendar,
                code_version=spec.code_version or "",
                contract_version=contract.version,
                upstream=tuple(sorted(name for name in upstream if name in names)),
                rejects="" if contract.rejects is None else contract.rejects.name,
            )
        )
    symbols, datasets = [instrument.symbol for instrument in registry.active], list(CONTRACTS)
    return sorted(rows, key=lambda row: (symbols.index(row.symbol), datasets.index(row.dataset)))


class InstanceHistory:
    """The run history through Dagster's own interface, whatever storage is behind it.

    Args:
        instance: the Dagster instance.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def latest(self, series: Series, first: date, last: date) -> DayEvents:
        """Return the latest events of each day; see ``RunHistory``."""
        key = keys.asset_key(series.symbol, series.dataset)
        made = self._latest_ids(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        there = self._instance.get_materialized_partitions(key)
        made = {day: number for day, number in made.items() if day in there}
        observed = self._latest_ids(key, dg.DagsterEventType.ASSET_OBSERVATION)
        days = sorted(day for day in made if first.isoformat() <= day <= last.isoformat())
        failures: dict[str, str] = {}
        for day, number in observed.items():
            if first.isoformat() <= day <= last.isoformat() and number > made.get(day, -1):
                failure = self._failure_after(key, day, made.get(day))
                if failure is not None:
                    failures[day] = failure
        known = [*made, *observed]
        return DayEvents.of([(day, made[day]) for day in days], failures, min(known) if known else None)

    def complete(self, series: Series, event_ids: Sequence[int]) -> Mapping[int, bool]:
        """Tell for materializations whether their session had ended."""
        key = keys.asset_key(series.symbol, series.dataset)
        found: dict[int, bool] = {}
        for start in range(0, len(event_ids), _AT_ONCE):
            some = list(event_ids[start : start + _AT_ONCE])
            wanted = dg.AssetRecordsFilter(key, storage_ids=some)
            for record in self._instance.fetch_materializations(wanted, limit=len(some)).records:
                event = record.asset_materialization
                found[record.storage_id] = event is not None and is_done(event.metadata)
        return found

    def anchor(self) -> list[Any] | None:
        """Return None: the interface has no cheap way to tell that numbers were used again."""
        return None

    def holds(self, anchor: list[Any] | None) -> bool:  # noqa: ARG002
        """Remember nothing."""
        return False

    def _latest_ids(self, key: dg.AssetKey, kind: dg.DagsterEventType) -> dict[str, int]:
        return dict(self._instance.get_latest_storage_id_by_partition(key, kind))

    def _failure_after(self, key: dg.AssetKey, day: str, event_id: int | None) -> str | None:
        wanted = dg.AssetRecordsFilter(key, asset_partitions=[day], after_storage_id=event_id)
        cursor = None
        while True:
            result = self._instance.fetch_observations(wanted, limit=20, cursor=cursor)
            for record in result.records:
                observation = record.asset_observation
                metadata = {} if observation is None else observation.metadata
                texts = [
                    str(metadata[name].value) if name in metadata else "" for name in ("outcome", "error", "reason")
                ]
                failure = failure_text(*texts)
                if failure is not None:
                    return failure
            if not result.has_more:
                return None
            cursor = result.cursor


def board_metadata(board: Board, html: Path) -> dict[str, Any]:
    """Describe a board for the page of the asset: picture, table of counts, the first reasons, the whole page as a file."""
    metadata: dict[str, Any] = {}
    picture = summary_picture(board, alt="coverage")
    if picture:
        metadata["board"] = dg.MetadataValue.md(picture)
        colours = (f"{LOOKS[state].named_colour} {state.value}" for state in board.counts())
        metadata["board_colours"] = "each cell shows its gravest day; " + ", ".join(colours)
    if board.is_synthetic:
        metadata["synthetic"] = SYNTHETIC_LABEL
    metadata |= {f"{state.value}_days": count for state, count in board.counts().items()}
    metadata["days_to_repair"] = board.needs_work()
    metadata["rows"] = _table(board)
    groups = board.reasons_in_order()
    if groups:
        metadata["reasons"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "asset": group.names,
                        "days": group.dates,
                        "state": group.state.value,
                        "reason": group.reason[:160],
                    }
                )
                for group in groups[: _MOST_ROWS // 2]
            ]
        )
    metadata["next_command"] = "tp status"
    metadata["page"] = dg.MetadataValue.path(str(html))
    metadata["dagster/row_count"] = len(board.series)
    return metadata


def _table(board: Board) -> dg.TableMetadataValue:
    """Return one record per row, those with something to repair first; as many as an event should hold."""
    order = sorted(range(len(board.series)), key=lambda row: -int(board.codes[row].max(initial=0)))
    records = [
        dg.TableRecord(
            {
                "asset": board.series[row].name,
                "states": "nothing yet"
                if row in board.nothing_yet
                else ", ".join(f"{count} {state.value}" for state, count in board.counts(row).items()),
            }
        )
        for row in order[:_MOST_ROWS]
    ]
    if len(order) > _MOST_ROWS:
        records.append(dg.TableRecord({"asset": f"{len(order) - _MOST_ROWS} more", "states": "see the page"}))
    return dg.MetadataValue.table(records or [dg.TableRecord({"asset": "no dated assets", "states": ""})])


def weekday_before(last: date, number: int) -> date:
    """Return the first of the ``number`` weekdays that end with ``last``."""
    keys_before = TRADE_DATES.get_partition_keys()
    at = max((index for index, key in enumerate(keys_before) if key <= last.isoformat()), default=0)
    return date.fromisoformat(keys_before[max(0, at - number + 1)])
