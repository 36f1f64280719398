"""Random sequences of writes, refusals, crashes and reads against a plain dictionary."""

from __future__ import annotations

import errno
import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trading_platform.errors import LakeError, QualityError
from trading_platform.lake import LocalLake
from trading_platform.lake.contracts import TICKS

from .samples import DAY, FaultyFiles, footer_fields, reject_table, temporaries, tick_frame

DAYS = st.integers(0, 3).map(lambda offset: DAY + timedelta(days=offset))
SEEDS = st.integers(0, 50)


class Interrupted(BaseException):
    """Stands for the end of a process inside the with block."""


class LakeMachine(RuleBasedStateMachine):
    """The model: (rows seed, number of rows, number of rejects) by trade date, and rejects of the last failed attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.files = FaultyFiles()
        self.lake = LocalLake(self.root, files=self.files)
        self.model: dict[date, tuple[int, int, int]] = {}
        self.failed: dict[date, int] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def write(self, day: date, seed: int, rejects: int) -> None:
        with self.lake.begin(TICKS, "MNQ", day) as writer:
            writer.append(tick_frame(seed % 7, seed=seed).to_arrow())
            writer.reject(reject_table(rejects))
            writer.commit(footer_fields())

    @rule(day=DAYS, seed=SEEDS, rejects=st.integers(0, 2))
    def store(self, day: date, seed: int, rejects: int) -> None:
        self.write(day, seed, rejects)
        self.model[day] = (seed, seed % 7, rejects)
        self.failed.pop(day, None)

    @rule(day=DAYS, seed=SEEDS, rejects=st.integers(0, 2))
    def fail_the_checks(self, day: date, seed: int, rejects: int) -> None:
        with self.lake.begin(TICKS, "MNQ", day) as writer:
            writer.append(tick_frame(seed % 7, seed=seed).to_arrow())
            writer.reject(reject_table(rejects))
            writer.commit_rejects(footer_fields())
        self.failed[day] = rejects

    @rule(day=DAYS, seed=SEEDS, step=st.sampled_from(["open", "write", "fsync"]))
    def fail(self, day: date, seed: int, step: str) -> None:
        self.files.step, self.files.error_number = step, errno.ENOSPC
        with pytest.raises(LakeError, match="E502"):
            self.write(day, seed, 0)
        self.files.step = ""

    @rule(day=DAYS, seed=SEEDS)
    def refuse(self, day: date, seed: int) -> None:
        bad = tick_frame(3, seed=seed).with_columns(pl.lit(0, dtype=pl.Int32).alias("volume"))
        with self.lake.begin(TICKS, "MNQ", day) as writer:
            writer.append(bad.to_arrow())
            with pytest.raises(QualityError, match="E401"):
                writer.commit(footer_fields())

    @rule(day=DAYS, seed=SEEDS)
    def crash(self, day: date, seed: int) -> None:
        with pytest.raises(Interrupted):
            self.write_and_crash(day, seed)

    def write_and_crash(self, day: date, seed: int) -> None:
        with self.lake.begin(TICKS, "MNQ", day) as writer:
            writer.append(tick_frame(5, seed=seed).to_arrow())
            raise Interrupted

    @rule(day=DAYS)
    def abandon_a_temporary(self, day: date) -> None:
        path = self.lake.path("ticks", "MNQ", day).with_name(".part-0.dead.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"torn")
        assert self.lake.remove_stale_temporaries() == 1

    @invariant()
    def lake_equals_model(self) -> None:
        assert self.lake.days("ticks", "MNQ") == sorted(self.model)
        assert temporaries(self.root) == []
        for day, (seed, rows, rejects) in self.model.items():
            stored = self.lake.read("ticks", "MNQ", day).drop("symbol", "trade_date")
            assert stored.equals(tick_frame(rows, seed=seed))
            assert self.lake.footer("ticks", "MNQ", day).rows == rows
            assert self.lake.exists("tick_rejects", "MNQ", day) == (rejects > 0)
            assert self.lake.read("tick_rejects", "MNQ", day, missing="skip").height == rejects
        kept = {path: pl.read_parquet(path).height for path in self.root.rglob("failed-0.parquet")}
        assert kept == {
            self.lake.failed_rejects_path("ticks", "MNQ", day): rows for day, rows in self.failed.items() if rows
        }


TestLakeMachine = LakeMachine.TestCase
TestLakeMachine.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
