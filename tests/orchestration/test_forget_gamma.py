"""Forgetting days of the gamma feed, of chains and of what shows them: what hangs on them, and when a copy is the only one (M2, G5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from jobs.forget import ForgetPlan, ForgetRequest, Forgetting
from jobs.selection import select_assets
from resources import ClockResource
from trading_platform.errors import ExecutionError
from trading_platform.simulation import write_demo_chains

from .conftest import SmallPlatform
from .gamma_home import MONDAY, THREE_DAYS, TUESDAY, WEDNESDAY, gamma_home
from .ticks_only import range_tags, run_assets

FEED = ("NQ_NDX/gex_snapshots", "NQ_NDX/gex_strikes")
ENRICHED = ("MNQ/gex_alignment", "MNQ/enriched_bars")
Make = Callable[..., SmallPlatform]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Make]:
    """Return a maker of gamma homes whose chosen assets are stored for three days."""
    with dg.DagsterInstance.ephemeral() as instance:

        def make(names: Sequence[str], days: Sequence[date] = THREE_DAYS, **files: Any) -> SmallPlatform:
            clock = ClockResource(fixed_at="2025-03-13T12:00:00+00:00")
            made = SmallPlatform(gamma_home(tmp_path, **files), instance, {"clock": clock})
            store(made, names, days)
            return made

        yield make


def store(made: SmallPlatform, names: Sequence[str], days: Sequence[date] = THREE_DAYS) -> None:
    assert not names or run_assets(made.defs, made.instance, names, range_tags(days[0], days[-1]))


def plan_of(made: SmallPlatform, *names: str, day: date = TUESDAY, with_dependents: bool = False) -> ForgetPlan:
    engine = Forgetting(made.defs, made.instance, made.home.claims_dir)
    return engine.plan(ForgetRequest(select_assets(made.defs, names), day, day, with_dependents=with_dependents))


def forget(made: SmallPlatform, plan: ForgetPlan) -> None:
    Forgetting(made.defs, made.instance, made.home.claims_dir).run(plan)


@pytest.fixture
def enriched(platform: Make) -> SmallPlatform:
    """Return a platform with feed, ticks and enrichment of three days."""
    return platform(["MNQ/ticks", "MNQ/bars_1s", *FEED, *ENRICHED, "NQ_NDX/gex_regimes"], feed=THREE_DAYS)


def test_m2_enriched_days_are_told_apart_from_what_needs_the_feed_and_the_next_day_is_among_them(
    enriched: SmallPlatform,
) -> None:
    before = enriched.hashes()
    plan = plan_of(enriched, "NQ_NDX/gex_snapshots")
    assert (plan.lost, {key.to_user_string() for key in plan.enriched}) == ([], set(ENRICHED))
    named = {(day.key.to_user_string(), day.trade_date) for day in plan.dependents}
    assert named == {
        ("NQ_NDX/gex_regimes", TUESDAY),
        *((name, day) for name in ENRICHED for day in (TUESDAY, WEDNESDAY)),
    }
    together = plan_of(enriched, "NQ_NDX/gex_snapshots", with_dependents=True)
    assert {day.trade_date for day in together.days} == {TUESDAY}
    assert {day.name for day in together.dependents} == {f"{name} {WEDNESDAY}" for name in ENRICHED}
    # A future that goes with its bars needs them, whatever gamma adds.
    assert plan_of(enriched, "MNQ/ticks", "NQ_NDX/gex_snapshots").enriched == frozenset()
    forget(enriched, together)
    enriched.backfill(first=MONDAY, last=WEDNESDAY)
    assert {name: hashed for name, hashed in enriched.hashes().items() if name in before} == before


def test_m2_enriched_day_whose_feed_is_not_stored_now_is_the_only_copy_e614(enriched: SmallPlatform) -> None:
    forget(enriched, plan_of(enriched, "NQ_NDX/gex_snapshots"))
    before = enriched.hashes()
    for day, source in ((TUESDAY, "NQ_NDX/gex_snapshots"), (WEDNESDAY, "NQ_NDX/gex_snapshots/2025-03-11")):
        plan = plan_of(enriched, "MNQ/enriched_bars", day=day)
        (lost,) = plan.lost
        assert lost.lost == (
            f"{source}, which it shows, is not stored now; made again, the day would have nulls in its place"
        )
        with pytest.raises(ExecutionError, match="E614"):
            forget(enriched, plan)
    assert enriched.hashes() == before
    store(enriched, ["NQ_NDX/gex_snapshots"], [TUESDAY])
    assert plan_of(enriched, "MNQ/enriched_bars").lost == []


def test_m2_feed_day_whose_file_is_gone_is_the_only_copy_and_so_is_what_shows_it(enriched: SmallPlatform) -> None:
    assert enriched.home.gex_dir is not None
    (path,) = enriched.home.gex_dir.glob(f"{TUESDAY}*")
    path.unlink()
    plan = plan_of(enriched, "NQ_NDX/gex_snapshots", with_dependents=True)
    lost = {day.key.to_user_string(): day.lost for day in plan.lost}
    assert "no history file of NQ_NDX for 2025-03-11" in (lost["NQ_NDX/gex_snapshots"] or "")
    assert lost["NQ_NDX/gex_regimes"] == "NQ_NDX/gex_snapshots of that day could not be made again"
    assert lost["MNQ/enriched_bars"] == (
        "NQ_NDX/gex_snapshots 2025-03-11 could not be made again, and this day would have nulls in its place"
    )
    # Wednesday shows Tuesday before its opening.
    engine = Forgetting(enriched.defs, enriched.instance, enriched.home.claims_dir)
    keys = select_assets(enriched.defs, ["NQ_NDX/gex_snapshots", "MNQ/enriched_bars"])
    both = engine.plan(ForgetRequest(keys, TUESDAY, WEDNESDAY))
    assert {day.name for day in both.lost} == {
        "NQ_NDX/gex_snapshots 2025-03-11",
        "MNQ/enriched_bars 2025-03-11",
        "MNQ/enriched_bars 2025-03-12",
    }


def test_m2_replaced_feed_file_no_longer_holds_what_the_copy_was_made_from(platform: Make) -> None:
    made = platform(FEED, [MONDAY], feed=(MONDAY,))
    assert made.home.gex_dir is not None
    (path,) = made.home.gex_dir.glob(f"{MONDAY}*")
    path.write_bytes(path.read_bytes() + b"\0")
    (lost,) = plan_of(made, "NQ_NDX/gex_strikes", day=MONDAY).lost
    assert lost.lost == f"{path.name} no longer holds the records that this copy was made from"


def test_m2_a_chain_day_that_was_only_compared_with_another_file_is_not_lost_with_it(
    platform: Make, tmp_path: Path
) -> None:
    made = platform([], chains=())
    assert made.home.chain_dir is not None
    # A table of Saturday belongs to Monday and shows Friday, so it is compared with the last one of Friday.
    friday = date(2025, 3, 7)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    text = write_demo_chains(downloads, [friday])[-1].read_text(encoding="utf-8")
    before, after = made.home.chain_dir / "friday.csv", made.home.chain_dir / "saturday.csv"
    before.write_text(text, encoding="utf-8")
    assert text.count("7 de março de 2025 às 16:30") == 1
    after.write_text(text.replace("7 de março de 2025 às 16:30", "8 de março de 2025 às 10:00"), encoding="utf-8")
    store(made, ["SPX/chain_cboe"], [friday, MONDAY])
    footer = made.lake.footer("chain_cboe", "SPX", MONDAY)
    assert footer is not None
    assert [source.name for source in footer.sources] == ["saturday.csv", "compared with friday.csv"]
    before.write_text(text + "\n", encoding="utf-8")
    (day,) = plan_of(made, "SPX/chain_cboe", day=MONDAY).days
    assert (day.lost, day.differs) == (None, True)
    # A file that fed rows is another matter.
    after.write_text(after.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (day,) = plan_of(made, "SPX/chain_cboe", day=MONDAY).days
    assert day.lost == "saturday.csv no longer holds the records that this copy was made from"
