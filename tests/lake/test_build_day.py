"""build_day: outcomes, staleness, checks, errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import polars as pl
import pytest

from trading_platform.errors import SourceError
from trading_platform.lake import (
    BuildReport,
    CheckResult,
    DayPlan,
    LocalLake,
    Outcome,
    Severity,
    SourceChangedError,
    SourceSlice,
    build_day,
)
from trading_platform.lake.contracts import TICKS

from .samples import DAY, SESSION, reject_table, store, temporaries, tick_frame, tick_table


@dataclass
class TickBuilder:
    """A builder whose source is a number of rows."""

    rows: int = 5
    rejects: int = 0
    claimed_rejects: int | None = None
    decided: Outcome | None = None
    error: SourceError | None = None
    complete: bool = True
    code_version: str = "1"
    raises: list[BaseException] = field(default_factory=list)
    severity: Severity = Severity.ERROR
    calls: list[str] = field(default_factory=list)
    contract = TICKS
    symbol = "MNQ"

    def _sources(self):
        return (SourceSlice("synthetic", f"{self.rows}/{self.rejects}"),)

    def plan(self, trade_date):
        self.calls.append("plan")
        reason = None if self.decided is None else "because"
        return DayPlan(
            trade_date, SESSION, self.decided, reason, self.error, {"scale": 1}, self.complete, synthetic=True
        )

    def hash_sources(self, plan, *, verify=False):
        self.calls.append(f"hash verify={verify}")
        return self._sources()

    def build(self, plan, writer):
        self.calls.append("build")
        writer.append(tick_table(self.rows))
        writer.reject(reject_table(self.rejects))
        if self.raises:
            raise self.raises.pop(0)
        claimed = self.rejects if self.claimed_rejects is None else self.claimed_rejects
        return BuildReport(self._sources(), {"rows": self.rows}, {"zero_volume": claimed} if claimed else {})

    def check(self, facts, session):
        passed = facts["rows"] != 13
        return (
            CheckResult(
                "lucky_rows", passed, self.severity, f"{facts['rows']} rows, limit 12", {"rows": facts["rows"]}
            ),
        )

    def measure(self, trade_date):
        return {"rows": self.rows}


@pytest.fixture
def lake(tmp_path):
    return LocalLake(tmp_path)


def test_p1_first_build_writes_and_says_everything(lake):
    result = build_day(TickBuilder(rejects=2), DAY, lake)
    footer = lake.footer("ticks", "MNQ", DAY)
    assert (result.outcome, result.rows, result.rejected) == (Outcome.WRITE, 5, {"zero_volume": 2})
    assert (result.fingerprint, result.content_hash) == (footer.fingerprint, footer.content_hash)
    assert result.path == lake.path("ticks", "MNQ", DAY)
    assert result.size_bytes == result.path.stat().st_size == footer.size_bytes
    assert (result.complete, result.synthetic, result.facts) == (True, True, {"rows": 5})
    assert [check.name for check in result.checks] == ["lucky_rows"]
    assert result.error is None
    assert result.seconds > 0
    assert result.session == SESSION


def test_p2_unchanged_day_is_skipped_without_touching_the_file(lake):
    built = build_day(TickBuilder(), DAY, lake)
    before = built.path.stat()
    builder = TickBuilder()
    result = build_day(builder, DAY, lake)
    assert result.outcome is Outcome.SKIP
    assert builder.calls == ["plan", "hash verify=False"]
    assert built.path.stat().st_ino == before.st_ino
    for name in (
        "rows",
        "size_bytes",
        "path",
        "fingerprint",
        "content_hash",
        "complete",
        "synthetic",
        "facts",
        "checks",
    ):
        assert getattr(result, name) == getattr(built, name), name


@pytest.mark.parametrize("changed", [{"rows": 6}, {"code_version": "2"}])
def test_p2_day_with_other_source_or_code_is_stale(lake, changed):
    build_day(TickBuilder(), DAY, lake)
    assert build_day(TickBuilder(**changed), DAY, lake).outcome is Outcome.WRITE


def test_p2_force_builds_again_to_the_same_bytes_and_verify_is_passed_on(lake):
    before = build_day(TickBuilder(), DAY, lake).path.read_bytes()
    forced = TickBuilder()
    assert build_day(forced, DAY, lake, force=True).outcome is Outcome.WRITE
    assert forced.calls == ["plan", "build"]
    assert lake.path("ticks", "MNQ", DAY).read_bytes() == before
    verified = TickBuilder()
    assert build_day(verified, DAY, lake, verify=True).outcome is Outcome.SKIP
    assert verified.calls == ["plan", "hash verify=True"]


@pytest.mark.parametrize("outcome", [Outcome.CLOSED, Outcome.EMPTY])
def test_p4_decided_day_without_rows_is_stored_once(lake, outcome):
    first = build_day(TickBuilder(decided=outcome), DAY, lake)
    assert (first.outcome, first.rows, first.reason, first.complete) == (outcome, 0, "because", True)
    inode = first.path.stat().st_ino
    second = build_day(TickBuilder(decided=outcome), DAY, lake)
    assert (second.outcome, second.reason, second.path.stat().st_ino) == (outcome, "because", inode)
    assert build_day(TickBuilder(), DAY, lake).outcome is Outcome.WRITE
    assert build_day(TickBuilder(decided=outcome), DAY, lake).rows == 0


def test_p4_source_without_rows_for_the_day_is_empty(lake):
    result = build_day(TickBuilder(rows=0), DAY, lake)
    assert (result.outcome, result.rows) == (Outcome.EMPTY, 0)
    assert result.reason == "the source holds no rows for this session"
    assert build_day(TickBuilder(rows=0), DAY, lake).outcome is Outcome.SKIP


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.MISSING, Outcome.UNAVAIL])
def test_p4_day_without_source_leaves_a_good_older_file(lake, outcome):
    before = store(lake, tick_table(5)).read_bytes()
    error = SourceError("E299", "no file", "nobody recorded", "tp config")
    result = build_day(TickBuilder(decided=outcome, error=error), DAY, lake)
    assert (result.outcome, result.error, result.reason, result.path) == (outcome, error, "because", None)
    assert result.complete is False
    assert lake.path("ticks", "MNQ", DAY).read_bytes() == before


def test_p1_partial_day_is_stored_and_marked(lake):
    assert build_day(TickBuilder(complete=False), DAY, lake).complete is False
    assert build_day(TickBuilder(complete=False), DAY, lake).complete is False
    later = build_day(TickBuilder(complete=True), DAY, lake)
    assert (later.outcome, later.complete) == (Outcome.SKIP, True)


def test_t7_failed_check_keeps_the_day_out_and_the_rejects_for_a_person(lake):
    before = build_day(TickBuilder(), DAY, lake).path.read_bytes()
    result = build_day(TickBuilder(rows=13, rejects=3), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E403")
    assert "lucky_rows (13 rows, limit 12)" in result.error.what
    assert (result.facts, result.rejected, result.rows) == ({"rows": 13}, {"zero_volume": 3}, 0)
    assert lake.path("ticks", "MNQ", DAY).read_bytes() == before
    assert pl.read_parquet(lake.failed_rejects_path("ticks", "MNQ", DAY)).height == 3
    assert "failed-0.parquet" in result.error.why
    assert temporaries(lake.root) == []


@pytest.mark.parametrize("rejects", [0, 3])
def test_t7_failed_day_leaves_the_quarantine_of_the_stored_day(lake, rejects):
    build_day(TickBuilder(rejects=2), DAY, lake)
    before = lake.quarantine_path("ticks", "MNQ", DAY).read_bytes()
    failed = build_day(TickBuilder(rows=13, rejects=rejects), DAY, lake)
    assert (failed.outcome, failed.error.code) == (Outcome.ERROR, "E403")
    assert lake.quarantine_path("ticks", "MNQ", DAY).read_bytes() == before
    assert lake.footer("ticks", "MNQ", DAY).rejected == {"zero_volume": 2}
    assert lake.read("tick_rejects", "MNQ", DAY).height == 2
    assert lake.failed_rejects_path("ticks", "MNQ", DAY).exists() == (rejects > 0)


def test_t7_refused_rows_of_a_failed_day_go_when_the_day_succeeds_or_fails_without_any(lake):
    kept = lake.failed_rejects_path("ticks", "MNQ", DAY)
    for then in (TickBuilder(rows=13), TickBuilder(rejects=1)):
        build_day(TickBuilder(rows=13, rejects=3), DAY, lake)
        assert kept.is_file()
        build_day(then, DAY, lake)
        assert not kept.exists()
    assert lake.read("tick_rejects", "MNQ", DAY).height == 1


def test_t7_refused_rows_of_a_failed_day_are_in_no_view(lake):
    from trading_platform.lake.sql import connect

    build_day(TickBuilder(rejects=2), DAY, lake)
    build_day(TickBuilder(rows=13, rejects=3), DAY, lake)
    assert connect(lake.root).sql("select count(*) from tick_rejects").fetchall() == [(2,)]
    assert lake.days("tick_rejects", "MNQ") == [DAY]


def test_t7_failed_warning_does_not_keep_the_day_out(lake):
    result = build_day(TickBuilder(rows=13, severity=Severity.WARN), DAY, lake)
    assert result.outcome is Outcome.WRITE
    assert result.checks[0].passed is False


def test_t7_rejects_that_were_not_put_into_quarantine_are_an_error(lake):
    result = build_day(TickBuilder(rejects=2, claimed_rejects=3), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E404")
    assert not lake.exists("ticks", "MNQ", DAY)


def test_p1_bad_rows_are_an_error_of_the_day(lake):
    class Careless(TickBuilder):
        def build(self, plan, writer):
            writer.append(tick_frame(3).with_columns(pl.lit(9, dtype=pl.Int8).alias("side")).to_arrow())
            return BuildReport((), {"rows": 3})

    result = build_day(Careless(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E401")


def test_p1_source_that_changes_while_it_is_read_is_planned_and_built_once_more(lake):
    changed = SourceChangedError("E299", "file shrank", "Sierra Chart rewrote it", "tp config")
    builder = TickBuilder(raises=[changed])
    assert build_day(builder, DAY, lake).outcome is Outcome.WRITE
    assert builder.calls == ["plan", "build", "plan", "build"]
    result = build_day(TickBuilder(rows=6, raises=[changed, changed]), DAY, lake)
    assert (result.outcome, result.error) == (Outcome.ERROR, changed)
    assert lake.footer("ticks", "MNQ", DAY).rows == 5


def test_p1_defect_is_an_error_of_the_day_with_its_cause(lake):
    defect = KeyError("missing")
    result = build_day(TickBuilder(raises=[defect]), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E529")
    assert "KeyError: 'missing'" in result.error.why
    assert result.error.__cause__ is defect
    assert temporaries(lake.root) == []


def test_p1_plan_that_fails_is_an_error_without_a_session(lake):
    class Unplanned(TickBuilder):
        def plan(self, trade_date):
            raise SourceError("E299", "no calendar", "none", "tp config")

    result = build_day(Unplanned(), DAY, lake)
    assert (result.outcome, result.error.code, result.plan, result.session) == (Outcome.ERROR, "E299", None, None)


def test_p1_interrupt_passes_through_and_leaves_no_temporary(lake):
    with pytest.raises(KeyboardInterrupt):
        build_day(TickBuilder(raises=[KeyboardInterrupt()]), DAY, lake)
    assert temporaries(lake.root) == []
    assert not lake.exists("ticks", "MNQ", DAY)


def test_p1_plan_may_not_decide_what_only_a_build_can(lake):
    result = build_day(TickBuilder(decided=Outcome.WRITE), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E529")


def test_p2_damaged_file_is_built_again(lake):
    path = build_day(TickBuilder(), DAY, lake).path
    path.write_bytes(path.read_bytes()[:-10])
    assert build_day(TickBuilder(), DAY, lake).outcome is Outcome.WRITE
    assert lake.footer("ticks", "MNQ", DAY).rows == 5


def test_p2_partition_that_someone_else_writes_is_an_error(lake):
    with lake.begin(TICKS, "MNQ", DAY):
        result = build_day(TickBuilder(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E501")


def test_p5_days_do_not_depend_on_each_other(lake, tmp_path):
    other = LocalLake(tmp_path / "other")
    days = [date(2025, 9, 2), date(2025, 9, 3)]
    for target, order in ((lake, days), (other, days[::-1])):
        for day in order:
            build_day(TickBuilder(), day, target)
    for day in days:
        assert lake.path("ticks", "MNQ", day).read_bytes() == other.path("ticks", "MNQ", day).read_bytes()
