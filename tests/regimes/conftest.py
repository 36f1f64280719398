"""A temporary lake with gamma levels or feed snapshots of a trade date, and the builder around it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from trading_platform.clock import FixedClock
from trading_platform.instruments import load_registry
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contract import DatasetContract
from trading_platform.lake.contracts import GEX_LEVELS, GEX_SNAPSHOTS, GEX_STRIKES
from trading_platform.regimes import GexRegimesBuilder, RegimeParameters, upstream_of
from trading_platform.sessions import calendar_for

from . import frames

DAY = date(2025, 9, 2)
LATER = datetime(2025, 9, 20, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def store(lake: LocalLake) -> Callable[..., None]:
    """Return a function that commits rows of a dataset as one trade date."""

    def commit(
        contract: DatasetContract,
        symbol: str,
        frame: pl.DataFrame | None,
        day: date = DAY,
        *,
        outcome: Outcome = Outcome.WRITE,
        reason: str | None = None,
        synthetic: bool = False,
    ) -> None:
        session = calendar_for(load_registry().get(symbol).calendar).session(day)
        with lake.begin(contract, symbol, day) as writer:
            if frame is not None:
                texts = [name for name, dtype in frame.schema.items() if dtype == pl.Categorical]
                table = frame.with_columns(pl.col(texts).cast(pl.String)).to_arrow()
                writer.append(table.cast(contract.arrow_schema))
            fields = FooterFields(
                fingerprint="f" * 64,
                code_version="1",
                outcome=outcome,
                session=session.resolved(),
                reason=reason,
                synthetic=synthetic,
            )
            writer.commit(fields)

    return commit


@pytest.fixture
def builder_of(lake: LocalLake) -> Callable[..., GexRegimesBuilder]:
    def make(
        symbol: str = "SPX",
        *,
        now: datetime = LATER,
        parameters: RegimeParameters = frames.DEFAULTS,
        category: str = "gex_full",
    ) -> GexRegimesBuilder:
        instrument = load_registry().get(symbol)
        calendar = calendar_for(instrument.calendar)
        upstream = upstream_of(instrument)
        return GexRegimesBuilder(instrument, lake, calendar, FixedClock(now), parameters, upstream, category)

    return make


def levels(observations: pl.DataFrame) -> pl.DataFrame:
    """Return rows of ``gex_levels`` that read back as these observations of a chain."""
    gross = (observations["naive_gex_net"] / observations["net_to_gross"]).abs()
    net = observations["naive_gex_net"]
    zero_dte = observations["zero_dte_frac"] * gross
    columns: dict[str, Any] = {
        "observed_at": observations["ts"],
        "source": observations["source"],
        "spot": observations["spot"],
        "rows_in": 10,
        "rows_live": 10,
        "naive_gex_call_usd_per_1pct": (gross + net) / 2,
        "naive_gex_put_usd_per_1pct": (net - gross) / 2,
        "naive_gex_net_usd_per_1pct": net,
        "naive_gex_0dte_call_usd_per_1pct": zero_dte,
        "naive_gex_0dte_put_usd_per_1pct": 0.0,
        "naive_zero_gamma": observations["zero_gamma"],
        "naive_n_crossings": observations["n_crossings"],
        "naive_call_wall_band": observations["call_wall"],
        "naive_put_wall_band": observations["put_wall"],
        "oi_dropped_pct": observations["oi_dropped_pct"],
        "oi_unknown_call_pct": 0.0,
        "oi_unknown_put_pct": 0.0,
        "vendor_gap_call_pct": observations["vendor_gap_pct"],
        "vendor_gap_put_pct": 0.0,
        "atm_iv_30d": observations["atm_iv"],
    }
    return frames.contract_frame(GEX_LEVELS, observations.height, **columns)


def snapshots(observations: pl.DataFrame, category: str = "gex_full") -> pl.DataFrame:
    """Return rows of ``gex_snapshots`` that read back as these observations of the feed."""
    columns: dict[str, Any] = {
        "ts": observations["ts"],
        "category": category,
        "vendor_ticker": "NQ_NDX",
        "spot": observations["spot"],
        "zero_gamma": observations["zero_gamma"],
        "sum_gex_vol": observations["naive_gex_net"],
        "major_pos_vol_strike": observations["call_wall"],
        "major_neg_vol_strike": observations["put_wall"],
    }
    return frames.contract_frame(GEX_SNAPSHOTS, observations.height, **columns)


def strikes(observations: pl.DataFrame, category: str = "gex_full") -> pl.DataFrame:
    """Return a ladder of two strikes per snapshot with the net-to-gross of the observations."""
    ratio = observations["net_to_gross"].to_numpy()
    values = np.column_stack([(ratio - 1) / 2, (ratio + 1) / 2]).ravel()
    columns: dict[str, Any] = {
        "ts": observations["ts"].gather(np.repeat(np.arange(observations.height), 2).tolist()),
        "category": category,
        "strike": np.tile([6_400.0, 6_600.0], observations.height),
        "gex_vol": values,
    }
    return frames.contract_frame(GEX_STRIKES, 2 * observations.height, **columns)
