"""Stage catalog: the coverage board as an asset.

Belongs here: the rows of the board from asset specs, the asset whose page shows the board. Does not belong here: how days are judged and
drawn (``trading_platform.coverage``), the run history (``run_history.py``), the board on the command line (``jobs/board.py``).
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import dagster as dg

from trading_platform.coverage.assemble import Surroundings, latest_due, make_board
from trading_platform.coverage.board import Board
from trading_platform.coverage.fronts import fronts_of
from trading_platform.coverage.html import write_page
from trading_platform.coverage.picture import Picture, summary_picture
from trading_platform.coverage.series import Series
from trading_platform.coverage.states import LOOKS
from trading_platform.instruments import Registry
from trading_platform.lake.contracts import CONTRACTS
from trading_platform.sessions import first_of_last
from trading_platform.settings import SYNTHETIC_LABEL

from . import keys
from .dated import OWNERS
from .partitions import FIRST_TRADE_DATE, TRADE_DATES
from .run_history import InstanceHistory

HTML_NAME = "coverage.html"
_MOST_ROWS = 40


class CoverageConfig(dg.Config):
    """What one run shows.

    Attributes:
        trade_dates: weekdays up to the latest opened trade date.
    """

    trade_dates: int = 260


def coverage_asset(
    dated: Sequence[dg.AssetsDefinition], cache_dir: Path, *, is_demo: bool = False
) -> dg.AssetsDefinition:
    """Define ``lake/coverage`` after all dated datasets.

    Args:
        dated: all dated assets.
        cache_dir: folder of summaries; can be deleted at any time.
        is_demo: True for a demo, whose market ended with its last stored day.
    """
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
        first = max(FIRST_TRADE_DATE, first_of_last(last, config.trade_dates))
        around = Surroundings(
            lake_root=resources.lake.lake().root,
            cache_dir=cache_dir,
            history=InstanceHistory(context.instance),
            now=now,
            calendars={},
            fronts=fronts_of(
                registry, resources.reference_data.rolls(registry), (row.symbol for row in rows), first, last
            ),
        )
        board = make_board(rows, {row.name: row for row in rows}, first, last, around, has_holes=is_demo)
        html = resources.lake.lake().root / HTML_NAME
        write_page(board, html)
        context.add_output_metadata(board_metadata(board, html))

    return coverage


def series_of(specs: Iterable[dg.AssetSpec], registry: Registry) -> list[Series]:
    """Return the rows of the board: all assets with trade dates, symbol by symbol as they are active, datasets as they are listed."""
    # A day of the watchlist is many files, so it is no row.
    dated = [spec for spec in specs if spec.partitions_def == TRADE_DATES and spec.key != keys.WATCHLIST]
    names = {spec.key.to_user_string() for spec in dated}
    saved = _with_descendants(dated, keys.SAVED_NOW_AND_THEN)
    recorded = _with_descendants(dated, keys.RECORDED)
    rows = []
    for spec in dated:
        symbol, dataset = spec.key.path
        contract = CONTRACTS[dataset]
        upstream = [dep.asset_key for dep in spec.deps]
        rows.append(
            Series(
                symbol=symbol,
                dataset=dataset,
                folder=contract.folder,
                calendar=registry.get(symbol).calendar,
                code_version=spec.code_version or "",
                contract_version=contract.version,
                upstream=tuple(sorted(key.to_user_string() for key in upstream if key.to_user_string() in names)),
                optional=tuple(sorted(key.to_user_string() for key in upstream if keys.is_optional(key, spec.key))),
                rejects="" if contract.rejects is None else contract.rejects.name,
                on_demand=dataset in keys.PAID or spec.key in saved,
                recorded=spec.key in recorded,
            )
        )
    symbols, datasets = [instrument.symbol for instrument in registry.with_assets], list(CONTRACTS)
    return sorted(rows, key=lambda row: (symbols.index(row.symbol), datasets.index(row.dataset)))


def _with_descendants(specs: Sequence[dg.AssetSpec], datasets: AbstractSet[str]) -> set[dg.AssetKey]:
    """Return the assets of some datasets, with all that needs them."""
    found = {spec.key for spec in specs if spec.key.path[-1] in datasets}
    while more := {
        spec.key
        for spec in specs
        if spec.key not in found
        and any(dep.asset_key in found and not keys.is_optional(dep.asset_key, spec.key) for dep in spec.deps)
    }:
        found |= more
    return found


def board_metadata(board: Board, html: Path) -> dict[str, Any]:
    """Describe a board for the page of the asset: picture, table of counts, the first reasons, the whole page as a file."""
    metadata: dict[str, Any] = {}
    picture = summary_picture(board, alt="coverage")
    if picture.markdown:
        metadata["board"] = dg.MetadataValue.md(picture.markdown)
        colours = (f"{LOOKS[state].named_colour} {state.value}" for state in board.counts())
        metadata["board_colours"] = (
            "each cell shows its gravest day; " + ", ".join(colours) + ", blank: nothing expected or due"
        )
        metadata["board_rows"] = "lines from top to bottom as in the table 'rows', where the column 'line' names them"
    if board.is_synthetic:
        metadata["synthetic"] = SYNTHETIC_LABEL
    metadata |= {f"{state.value}_days": count for state, count in board.counts().items()}
    metadata["days_to_repair"] = board.needs_work()
    metadata["rows"] = _table(board, picture)
    groups = board.reasons_in_order()
    if groups:
        metadata["reasons"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "asset": group.names,
                        "days": group.dates,
                        "state": group.state.value,
                        "reason": group.why[:160],
                    }
                )
                for group in groups[: _MOST_ROWS // 2]
            ]
        )
    metadata["next_command"] = "tp status"
    metadata["page"] = dg.MetadataValue.path(str(html))
    metadata["dagster/row_count"] = len(board.series)
    return metadata


def _table(board: Board, picture: Picture) -> dg.TableMetadataValue:
    """Return one record per row in the order of the picture; as many as an event holds, those with something to repair first."""
    gravest = sorted(range(len(board.series)), key=lambda row: -int(board.codes[row].max(initial=0)))
    nowhere = len(picture.labels)
    order = sorted(gravest[:_MOST_ROWS], key=lambda row: (picture.line_of.get(row, nowhere), row))
    records = [
        dg.TableRecord(
            {
                "line": _line(picture, row),
                "asset": board.series[row].name,
                "states": "nothing yet"
                if row in board.nothing_yet
                else ", ".join(f"{count} {state.value}" for state, count in board.counts(row).items()),
            }
        )
        for row in order
    ]
    if len(gravest) > _MOST_ROWS:
        left_out = f"{len(gravest) - _MOST_ROWS} more"
        records.append(dg.TableRecord({"line": "", "asset": left_out, "states": "see the page"}))
    return dg.MetadataValue.table(records or [dg.TableRecord({"line": "", "asset": "no dated assets", "states": ""})])


def _line(picture: Picture, row: int) -> str:
    """Return what stands before the line of a row in the picture, else its number; empty if it has no line."""
    line = picture.line_of.get(row)
    return "" if line is None else picture.labels[line] or str(line + 1)
