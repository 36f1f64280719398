"""The coverage board equals a recount of files, calendar and events, on a lake with every state planted (P12)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets.builders import Workbench, builder_for
from assets.coverage import series_of
from assets.run_history import InstanceHistory
from jobs.board import verify_sources
from resources import ClockResource
from trading_platform.coverage.assemble import Surroundings, make_board
from trading_platform.coverage.board import Board
from trading_platform.coverage.fronts import as_json, from_json, fronts_of
from trading_platform.coverage.history import RunHistory, SqliteHistory
from trading_platform.coverage.html import write_page
from trading_platform.coverage.picture import summary_picture
from trading_platform.coverage.series import Series
from trading_platform.coverage.states import State
from trading_platform.errors import LakeError
from trading_platform.instruments import RollTable, load_registry
from trading_platform.instruments.rolls import roll_table_of
from trading_platform.lake import CONTRACTS, FooterFields, LocalLake, Outcome
from trading_platform.pictures import MARKDOWN_LIMIT
from trading_platform.sessions import calendar_for
from trading_platform.sierra import TicksBuilder
from trading_platform.sierra.scid import ScidFile

from .conftest import SmallPlatform, make_home
from .test_backfill import destroy
from .test_web_ui import PICTURES, browse, chromium

__all__ = ["chromium"]

FIRST, LAST = date(2025, 3, 28), date(2025, 4, 22)
NOW = datetime(2025, 4, 21, 19, tzinfo=UTC)
"""Monday after Easter, while its session trades; the next one has not opened."""

DATED = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
GOOD, CORRUPT, REFUSED, REFRESH, REBUILT = (date(2025, 3, 31), *(date(2025, 4, day) for day in (1, 2, 3, 4)))
LOST, DEGRADED, EMPTY, DAMAGED, OLD_CODE = (date(2025, 4, day) for day in (7, 8, 9, 10, 11))
UNKNOWN, NEVER, EMPTIED, WHOLE, HOLIDAY, TODAY = (date(2025, 4, day) for day in (14, 15, 16, 17, 18, 21))
SIERRA_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
SOURCE = "MNQM25_FUT_CME.scid"


def weekdays(first: date, last: date) -> list[date]:
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5]


def change_one_trade(path: Path, day: date) -> None:
    """Add one contract to a trade of a day."""
    raw = bytearray(path.read_bytes())
    with ScidFile(path) as file:
        times = file.read(0, file.record_count)["dt"]
    noon = (datetime(day.year, day.month, day.day, 15, tzinfo=UTC) - SIERRA_EPOCH) // timedelta(microseconds=1)
    row = int((times < noon).sum())
    while int.from_bytes(raw[56 + row * 40 + 28 : 56 + row * 40 + 32], "little") == 0:
        row += 1
    for field in (28, 36):
        at = 56 + row * 40 + field
        raw[at : at + 4] = (int.from_bytes(raw[at : at + 4], "little") + 1).to_bytes(4, "little")
    path.write_bytes(bytes(raw))


def store_again(
    lake: LocalLake, dataset: str, day: date, *, rows: bool = True, like: date | None = None, **changes: Any
) -> None:
    """Commit the stored day again with another footer, as an importer of other data would."""
    footer = lake.footer(dataset, "MNQ", like or day)
    assert footer is not None
    fields = FooterFields(
        fingerprint=footer.fingerprint,
        code_version=footer.code_version,
        outcome=footer.outcome,
        session=calendar_for("CME_EQUITY").session(day).resolved(),
        sources=footer.sources,
        reason=footer.reason,
        synthetic=True,
    )
    table = pq.read_table(lake.path(dataset, "MNQ", like or day), partitioning=None)
    with lake.begin(CONTRACTS[dataset], "MNQ", day) as writer:
        if rows:
            writer.append(table)
        writer.commit(replace(fields, **changes))


@dataclass
class Planted:
    platform: SmallPlatform
    rows: list[Series]

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.platform.instance

    def rolls(self, text: str = "") -> RollTable:
        return roll_table_of(load_registry(self.platform.home.instruments_toml), text)

    def board(
        self,
        history: RunHistory,
        cache_dir: Path,
        *,
        first: date = FIRST,
        from_first: bool = False,
        rolls: RollTable | None = None,
    ) -> Board:
        registry = load_registry(self.platform.home.instruments_toml)
        fronts = fronts_of(registry, rolls or self.rolls(), ["MNQ"], first, LAST)
        around = Surroundings(
            self.platform.home.lake_dir,
            cache_dir,
            history,
            NOW,
            {},
            fronts=from_json(json.loads(json.dumps(as_json(fronts)))),
        )
        known = {row.name: row for row in self.rows}
        return make_board(self.rows, known, first, LAST, around, from_first=from_first)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """Return a lake in which every state occurs; tests that change it put it back."""
    folder = tmp_path_factory.mktemp("coverage")
    days = [day for day in weekdays(GOOD, TODAY) if day != NEVER]
    home = make_home(folder, days)
    with dg.DagsterInstance.local_temp(str(home.dagster_dir)) as instance:
        platform = SmallPlatform(home, instance, {"clock": ClockResource(fixed_at=NOW.isoformat())})
        source = folder / "sierra" / SOURCE
        good = source.read_bytes()
        destroy(source, CORRUPT)
        for first, last in ((GOOD, OLD_CODE), (EMPTIED, TODAY)):
            platform.backfill(*DATED, first=first, last=last)
        source.write_bytes(good)
        destroy(source, REFRESH)
        platform.backfill("MNQ/ticks", first=REFRESH, last=REFRESH)
        source.write_bytes(good)
        change_one_trade(source, REBUILT)
        platform.backfill("MNQ/ticks", first=REBUILT, last=REBUILT)
        destroy(source, CORRUPT)
        lake = platform.lake
        lake.path("ticks", "MNQ", LOST).unlink()
        store_again(lake, "ticks", DEGRADED, outcome=Outcome.DEGRADED, reason="the vendor lost packets")
        store_again(lake, "ticks", REFUSED, rejected={"price_not_finite": 2, "zero_volume": 1})
        store_again(lake, "bars_1m", EMPTY, rows=False, outcome=Outcome.EMPTY, reason="nothing traded")
        damaged = lake.path("bars_1s", "MNQ", DAMAGED)
        damaged.write_bytes(damaged.read_bytes()[:-20])
        store_again(lake, "ticks", OLD_CODE, code_version="0")
        store_again(lake, "ticks", UNKNOWN, like=WHOLE)
        store_again(lake, "bars_1s", EMPTIED, rows=False, outcome=Outcome.EMPTY, reason="no ticks", sources=())
        registry = load_registry(home.instruments_toml)
        rows = series_of(platform.defs.resolve_all_asset_specs(), registry)
        yield Planted(platform, [row for row in rows if row.name in DATED])


EXPECTED = {
    "MNQ/ticks": {
        GOOD: State.COMPLETE,
        CORRUPT: State.MISSING,
        REFUSED: State.QUARANTINED,
        REFRESH: State.REFRESH_FAILED,
        REBUILT: State.COMPLETE,
        LOST: State.MISSING,
        DEGRADED: State.DEGRADED,
        OLD_CODE: State.STALE,
        UNKNOWN: State.STALE,
        NEVER: State.MISSING,
        WHOLE: State.COMPLETE,
        HOLIDAY: State.CLOSED,
        TODAY: State.PARTIAL,
    },
    "MNQ/bars_1s": {
        CORRUPT: State.MISSING,
        REFRESH: State.COMPLETE,
        REBUILT: State.STALE,
        LOST: State.COMPLETE,
        DAMAGED: State.MISSING,
        EMPTIED: State.STALE,
        HOLIDAY: State.CLOSED,
    },
    "MNQ/bars_1m": {EMPTY: State.EMPTY, REBUILT: State.STALE, WHOLE: State.COMPLETE, TODAY: State.PARTIAL},
}
EDGES = {date(2025, 3, 28): State.NOT_EXPECTED, date(2025, 4, 22): State.NOT_DUE}


def states_of(board: Board) -> dict[tuple[str, date], State]:
    return {
        (series.name, day): board.state(row, column)
        for row, series in enumerate(board.series)
        for column, day in enumerate(board.days)
    }


def reason_of(board: Board, name: str, day: date) -> str:
    row = [series.name for series in board.series].index(name)
    return board.cell(row, list(board.days).index(day)).reason


class Recount:
    """The board again, the slow way: every event read in order, every footer read, nothing remembered."""

    def __init__(self, planted: Planted, rolls: RollTable | None = None) -> None:
        self.rolls = rolls or planted.rolls()
        self.lake = LocalLake(planted.platform.home.lake_dir)
        self.calendar = calendar_for("CME_EQUITY")
        self.workbench = Workbench.of(planted.platform.defs)
        self.last_success: dict[tuple[str, date], tuple[int, bool]] = {}
        self.last_failure: dict[tuple[str, date], int] = {}
        for name in DATED:
            key = dg.AssetKey(name.split("/"))
            for record in planted.instance.fetch_materializations(key, limit=10_000).records:
                event = record.asset_materialization
                assert event is not None
                assert event.partition is not None
                at = (name, date.fromisoformat(event.partition))
                complete = bool(event.metadata["complete"].value)
                if at not in self.last_success or self.last_success[at][0] < record.storage_id:
                    self.last_success[at] = (record.storage_id, complete)
            for record in planted.instance.fetch_observations(key, limit=10_000).records:
                observation = record.asset_observation
                assert observation is not None
                if observation.partition is None:
                    continue
                at = (name, date.fromisoformat(observation.partition))
                self.last_failure[at] = max(self.last_failure.get(at, 0), record.storage_id)

    def state(self, name: str, day: date) -> State:  # noqa: C901, PLR0911 one rule after the other, as a person would check them
        symbol, dataset = name.split("/")
        session = self.calendar.session(day)
        success, failure = self.last_success.get((name, day)), self.last_failure.get((name, day))
        is_failed = failure is not None and (success is None or failure > success[0])
        try:
            footer = self.lake.footer(dataset, symbol, day)
        except LakeError:
            return State.MISSING
        if footer is None:
            if is_failed or success is not None:
                return State.MISSING
            if not session.is_final(NOW):
                return State.NOT_DUE
            if day < min(found for known, found in (*self.last_success, *self.last_failure) if known == name):
                return State.NOT_EXPECTED
            return State.MISSING if session.is_open else State.CLOSED
        if is_failed:
            return State.REFRESH_FAILED
        if success is None or self._is_stale(name, day):
            return State.STALE
        if not success[1]:
            return State.PARTIAL
        if footer.outcome is Outcome.DEGRADED:
            return State.DEGRADED
        if sum(footer.rejected.values()):
            return State.QUARANTINED
        by_outcome = {Outcome.EMPTY: State.EMPTY, Outcome.CLOSED: State.CLOSED}
        return by_outcome.get(footer.outcome, State.COMPLETE)

    def _is_stale(self, name: str, day: date) -> bool:  # noqa: PLR0911 as above
        symbol, dataset = name.split("/")
        footer = self.lake.footer(dataset, symbol, day)
        assert footer is not None
        builder = builder_for(dg.AssetKey([symbol, dataset]), self.workbench)
        if (footer.code_version, footer.contract_version) != (builder.code_version, builder.contract.version):
            return True
        session = self.calendar.session(day).resolved()
        if {**footer.session} != {**session, "breaks": [list(pair) for pair in session["breaks"] or ()]}:
            return True
        ticks = self.lake.footer("ticks", symbol, day)
        if ticks is None:
            return False
        table = pq.read_table(self.lake.path("ticks", symbol, day), partitioning=None, columns=["contract"])
        if set(table["contract"].to_pylist()) - {self.rolls.front(symbol, day).symbol}:
            return True
        if dataset == "ticks":
            return False
        fed_by = [source.sha256 for source in footer.sources if source.name == "MNQ/ticks"]
        if not fed_by:
            return footer.rows == 0 and ticks.outcome not in (Outcome.EMPTY, Outcome.CLOSED)
        return fed_by != [ticks.content_hash]


@pytest.fixture
def sqlite(planted: Planted) -> Iterator[SqliteHistory]:
    history = SqliteHistory(planted.platform.home.events_db)
    yield history
    history.close()


def test_p12_every_planted_state_is_shown(planted: Planted, sqlite: SqliteHistory, tmp_path: Path) -> None:
    board = planted.board(sqlite, tmp_path)
    found = states_of(board)
    expected = {(name, day): state for name, days in EXPECTED.items() for day, state in {**days, **EDGES}.items()}
    assert {at: found[at] for at in expected} == expected
    assert set(found.values()) == set(State)
    assert board.is_synthetic


def test_p12_board_equals_a_recount(planted: Planted, sqlite: SqliteHistory, tmp_path: Path) -> None:
    recount = Recount(planted)
    slow = {(name, day): recount.state(name, day) for name in DATED for day in weekdays(FIRST, LAST)}
    cold = planted.board(sqlite, tmp_path)
    assert states_of(cold) == slow
    warm = planted.board(sqlite, tmp_path)
    assert states_of(warm) == slow
    through_dagster = planted.board(InstanceHistory(planted.instance), tmp_path / "other")
    assert states_of(through_dagster) == slow
    for board in (warm, through_dagster):
        assert [list(board.unsettled(row)) for row in range(3)] == [list(cold.unsettled(row)) for row in range(3)]


def test_p12_days_of_another_contract_than_the_roll_table_are_stale(
    planted: Planted, sqlite: SqliteHistory, tmp_path: Path
) -> None:
    planted.board(sqlite, tmp_path)  # so that the contracts come from what is remembered
    rolls = planted.rolls(f"root,contract,first_trade_date\nMNQ,MNQU25,{EMPTIED}\n")
    board, recount = planted.board(sqlite, tmp_path, rolls=rolls), Recount(planted, rolls)
    found = states_of(board)
    assert found == {(name, day): recount.state(name, day) for name in DATED for day in weekdays(FIRST, LAST)}
    assert {found[name, WHOLE] for name in DATED} == {State.STALE}
    assert found["MNQ/ticks", HOLIDAY] is State.CLOSED
    assert reason_of(board, "MNQ/ticks", WHOLE) == "holds MNQM25, the roll table has MNQU25 in front"
    assert reason_of(board, "MNQ/bars_1m", WHOLE) == (
        "upstream is stale: MNQ/ticks holds MNQM25, the roll table has MNQU25 in front"
    )
    bars = next(g for g in board.reasons_in_order() if g.state is State.STALE and g.reason.startswith("upstream"))
    assert bars.next_command.startswith("tp backfill MNQ/ticks MNQ/bars_1")


def test_p12_reasons_say_what_happened(planted: Planted, sqlite: SqliteHistory, tmp_path: Path) -> None:
    board = planted.board(sqlite, tmp_path)
    assert reason_of(board, "MNQ/ticks", CORRUPT).startswith("ERROR: E403 MNQ/ticks 2025-04-01: checks failed")
    assert reason_of(board, "MNQ/ticks", REFRESH).startswith("refresh failed, old data kept: ERROR: E403")
    assert reason_of(board, "MNQ/ticks", LOST) == "materialized, but its file is gone"
    assert reason_of(board, "MNQ/ticks", REFUSED) == "3 records refused: 2 price_not_finite, 1 zero_volume"
    assert reason_of(board, "MNQ/ticks", DEGRADED) == "the vendor lost packets"
    assert reason_of(board, "MNQ/ticks", OLD_CODE) == f"made by code version 0, now {TicksBuilder.CODE_VERSION}"
    assert reason_of(board, "MNQ/ticks", HOLIDAY) == "Good Friday"
    assert reason_of(board, "MNQ/bars_1s", REBUILT) == "MNQ/ticks was built again with other content"
    assert reason_of(board, "MNQ/bars_1s", EMPTIED) == "made when MNQ/ticks held no rows, which it does now"
    assert "E505" in reason_of(board, "MNQ/bars_1s", DAMAGED)
    assert reason_of(board, "MNQ/bars_1m", EMPTY) == "nothing traded"


def test_p12_days_to_repair_are_those_that_a_backfill_would_run(
    planted: Planted, sqlite: SqliteHistory, tmp_path: Path
) -> None:
    board = planted.board(sqlite, tmp_path)
    work = {State.MISSING, State.STALE, State.REFRESH_FAILED}
    assert board.needs_work() == sum(state in work for state in states_of(board).values())
    groups = board.reasons_in_order()
    assert groups[0].state is State.MISSING
    stale = next(group for group in groups if group.first == REBUILT)
    assert stale.next_command == "tp backfill MNQ/bars_1s MNQ/bars_1m --from 2025-04-04 --to 2025-04-04"
    refused = next(group for group in groups if group.state is State.QUARANTINED)
    assert refused.next_command.startswith("tp sql \"select reason, count(*) from tick_rejects where symbol in ('MNQ')")


def test_p12_files_changed_by_hand_show_at_the_next_look(
    planted: Planted, sqlite: SqliteHistory, tmp_path: Path
) -> None:
    def state(name: str) -> State:
        return states_of(planted.board(sqlite, tmp_path))[name, WHOLE]

    lake = planted.platform.lake
    ticks, bars = lake.path("ticks", "MNQ", WHOLE), lake.path("bars_1m", "MNQ", WHOLE)
    assert (state("MNQ/ticks"), state("MNQ/bars_1m")) == (State.COMPLETE, State.COMPLETE)
    kept, status = ticks.read_bytes(), ticks.stat()
    ticks.unlink()
    assert (state("MNQ/ticks"), state("MNQ/bars_1m")) == (State.MISSING, State.COMPLETE)
    shutil.copy(lake.path("ticks", "MNQ", GOOD), ticks)  # another day's file under this name
    assert (state("MNQ/ticks"), state("MNQ/bars_1m")) == (State.STALE, State.STALE)
    ticks.write_bytes(kept[:-1] + b"x")  # as long as before, and the old time put back
    os.utime(ticks, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert state("MNQ/ticks") is State.MISSING
    ticks.write_bytes(kept)
    assert (state("MNQ/ticks"), state("MNQ/bars_1m")) == (State.COMPLETE, State.COMPLETE)
    bars.parent.rename(bars.parent.with_name(f"date={WHOLE} copy"))
    assert state("MNQ/bars_1m") is State.MISSING
    bars.parent.with_name(f"date={WHOLE} copy").rename(bars.parent)
    assert state("MNQ/bars_1m") is State.COMPLETE


def test_p12_what_is_remembered_of_events_is_right_for_every_reader_and_range(
    planted: Planted, sqlite: SqliteHistory, tmp_path: Path
) -> None:
    """Readers with and without an anchor share one cache, and a look at a few days leaves the other days as they are."""

    class Counting(SqliteHistory):
        asked = 0

        def complete(self, series: Series, event_ids: Sequence[int]) -> Mapping[int, bool]:
            self.asked += len(event_ids)
            return super().complete(series, event_ids)

    expected = states_of(planted.board(sqlite, tmp_path / "other"))
    planted.board(sqlite, tmp_path)
    history = Counting(planted.platform.home.events_db)
    key = dg.AssetKey(["MNQ", "ticks"])
    planted.instance.report_runless_asset_event(dg.AssetObservation(key, metadata={"remark": "a later event"}))
    assert states_of(planted.board(InstanceHistory(planted.instance), tmp_path)) == expected
    planted.board(history, tmp_path, first=HOLIDAY)
    assert states_of(planted.board(history, tmp_path)) == expected
    assert history.asked == 1  # the damaged day: what cannot be read is looked at again every time
    history.close()


def test_p12_days_before_the_first_stored_one_count_when_asked_for(
    planted: Planted, sqlite: SqliteHistory, tmp_path: Path
) -> None:
    asked = planted.board(sqlite, tmp_path, from_first=True)
    assert states_of(asked)["MNQ/ticks", FIRST] is State.MISSING
    assert reason_of(asked, "MNQ/ticks", FIRST) == "never made"


def test_p12_sources_are_compared_on_demand(planted: Planted, sqlite: SqliteHistory, tmp_path: Path) -> None:
    source = planted.platform.home.path.parent / "sierra" / SOURCE
    before = source.read_bytes()
    change_one_trade(source, WHOLE)
    try:
        board = planted.board(sqlite, tmp_path)
        assert states_of(board)["MNQ/ticks", WHOLE] is State.COMPLETE
        verify_sources(board, Workbench.of(planted.platform.defs), planted.instance)
        assert states_of(board)["MNQ/ticks", WHOLE] is State.STALE
        assert states_of(board)["MNQ/ticks", GOOD] is State.COMPLETE
        assert reason_of(board, "MNQ/ticks", WHOLE) == "source, settings or code changed since it was made"
    finally:
        source.write_bytes(before)


def test_p12_series_carry_the_versions_of_their_builders(planted: Planted) -> None:
    workbench = Workbench.of(planted.platform.defs)
    for row in series_of(planted.platform.defs.resolve_all_asset_specs(), workbench.registry):
        builder = builder_for(dg.AssetKey([row.symbol, row.dataset]), workbench)
        assert (row.code_version, row.contract_version) == (builder.code_version, builder.contract.version), row.name
    assert {row.name: row.upstream for row in planted.rows} == {
        "MNQ/ticks": (),
        "MNQ/bars_1s": ("MNQ/ticks",),
        "MNQ/bars_1m": ("MNQ/ticks",),
    }


def test_p12_asset_shows_picture_table_and_page(planted: Planted) -> None:
    platform = planted.platform
    key = dg.AssetKey(["lake", "coverage"])
    job = platform.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={key})
    config = {"ops": {"lake__coverage": {"config": {"trade_dates": 18}}}}
    assert job.execute_in_process(instance=planted.instance, run_config=config).success
    event = planted.instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    picture = str(metadata["board"].value)
    assert picture.startswith("![coverage](data:image/svg+xml,")
    assert len(picture) < MARKDOWN_LIMIT
    assert "SYNTHETIC" in str(metadata["synthetic"].value)
    rows = {str(record.data["asset"]): str(record.data["states"]) for record in metadata["rows"].value.records}  # type: ignore[union-attr]
    assert [str(record.data["line"]) for record in metadata["rows"].value.records][:4] == [*DATED, ""]  # type: ignore[union-attr]
    assert rows["MNQ/depth_events"] == "nothing yet"
    assert "1 degraded" in rows["MNQ/ticks"]
    page = Path(str(metadata["page"].value)).read_text(encoding="utf-8")
    assert "the vendor lost packets" in page
    size = len(json.dumps({name: repr(value) for name, value in metadata.items()}))
    assert size <= 16 * 1024


@pytest.mark.slow
def test_p12_page_and_picture_open_in_a_browser(
    planted: Planted, sqlite: SqliteHistory, tmp_path: Path, chromium: str
) -> None:
    board = planted.board(sqlite, tmp_path / "cache")
    write_page(board, tmp_path / "board.html")
    markdown = summary_picture(board, alt="coverage").markdown
    image = markdown.removeprefix("![coverage](").removesuffix(")")
    (tmp_path / "picture.html").write_text(f'<body style="margin:20px"><img src="{image}">', encoding="utf-8")
    for name in ("board", "picture"):
        shown = Path(PICTURES) / f"coverage-{name}.png" if PICTURES else tmp_path / f"{name}.png"
        dom = browse(chromium, (tmp_path / f"{name}.html").as_uri(), tmp_path / name, picture=shown)
        assert shown.stat().st_size > 4_000
        assert ("the vendor lost packets" in dom) == (name == "board")
