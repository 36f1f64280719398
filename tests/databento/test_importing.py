"""DBN files that the user owns: verified, kept in the cache, made into days without asking anybody."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trading_platform.databento.account import open_vendor, raw_root
from trading_platform.databento.importing import OwnedFile, examine, register
from trading_platform.databento.raw_cache import RawCache
from trading_platform.databento.vendor import Vendor
from trading_platform.errors import VendorError
from trading_platform.files import sha256_of
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.lake import DayResult, Outcome
from trading_platform.sessions import calendar_for
from trading_platform.settings import load_settings
from trading_platform.simulation.dbn import dbn_metadata, dbn_zstd

from .l2_shop import L2Shop
from .shop import market

DAY = date(2025, 9, 3)
DATASET = "GLBX.MDP3"
SESSION = calendar_for("CME_EQUITY").session(DAY)


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc,arg-type]


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of files as the vendor delivers them; by default one UTC day of ESU5, not marked as synthetic."""

    def make(
        name: str = "es.dbn.zst",
        window: tuple[int, int] = (ns(2025, 9, 3), ns(2025, 9, 4)),
        symbol: str = "ESU5",
        dataset: str = DATASET,
        *,
        synthetic: bool = False,
        records: Any = None,
        **metadata: Any,
    ) -> Path:
        found = market().records(dataset, symbol, *window) if records is None else records
        one = market().dbn_symbol(dataset, symbol)
        path = tmp_path / name
        path.write_bytes(b"".join(dbn_zstd(dbn_metadata(one, *window, **metadata), [found], synthetic=synthetic)))
        return path

    return make


def owner(shop: L2Shop, *, synthetic: bool = False) -> Vendor:
    registry = load_registry(shop.home.instruments_toml)
    rolls = load_roll_table(registry, None)
    return open_vendor(shop.home, load_settings(), registry, rolls, clock=shop.clock, run_id="import", owned=synthetic)


def look(shop: L2Shop, path: Path, symbol: str | None = None) -> OwnedFile:
    return examine(path, symbol, owner(shop), shop.clock)


def take(shop: L2Shop, path: Path, symbol: str | None = None) -> OwnedFile:
    owned = look(shop, path, symbol)
    register(owned, RawCache(raw_root(shop.home, synthetic=owned.synthetic)))
    return owned


def made(shop: L2Shop, day: date = DAY, symbol: str = "ES", *, synthetic: bool = False) -> DayResult:
    return shop.build(day, symbol, owner(shop, synthetic=synthetic))


def test_l10_session_in_two_daily_files_is_put_together(l2_shop: L2Shop, write: Write) -> None:
    first = write("a.dbn.zst", (ns(2025, 9, 2), ns(2025, 9, 3)))
    second = write("b.dbn.zst")
    owned = take(l2_shop, first)
    assert (owned.symbol, owned.raw_symbol, list(owned.days)) == ("ES", "ESU5", [date(2025, 9, 2), DAY])
    alone = made(l2_shop)
    assert {check.name for check in alone.checks if not check.passed} == {"window_covered"}
    assert 0 < alone.rows == owned.days[DAY]
    take(l2_shop, second)
    both = made(l2_shop)
    records = market().records(DATASET, "ESU5", ns(2025, 9, 2, 22), ns(2025, 9, 3, 22))
    stored = l2_shop.lake.read("l2", "ES", DAY)
    assert (both.outcome, both.rows, both.synthetic) == (Outcome.WRITE, len(records), False)
    assert stored["ts_recv"].to_physical().to_list() == records["ts_recv"].tolist()
    assert stored["sequence"].to_list() == records["sequence"].tolist()
    assert all(check.passed for check in both.checks)
    assert both.facts["uncovered_s"] == 0
    assert [source.sha256 for source in l2_shop.lake.footer("l2", "ES", DAY).sources] == [  # type: ignore[union-attr]
        sha256_of(first),
        sha256_of(second),
    ]
    assert made(l2_shop).outcome is Outcome.SKIP
    assert l2_shop.seen() == 0


def test_l10_overlapping_files_give_every_record_once(l2_shop: L2Shop, write: Write) -> None:
    take(l2_shop, write("a.dbn.zst", (ns(2025, 9, 2, 22), ns(2025, 9, 3, 16))))
    take(l2_shop, write("b.dbn.zst", (ns(2025, 9, 3, 9), ns(2025, 9, 3, 22))))
    records = market().records(DATASET, "ESU5", ns(2025, 9, 2, 22), ns(2025, 9, 3, 22))
    assert made(l2_shop).rows == len(records)


def test_l10_bought_file_stays_and_imported_one_changes_nothing(l2_shop: L2Shop, write: Write) -> None:
    window = ns(2025, 9, 2, 22), ns(2025, 9, 3, 22)
    bought = l2_shop.build(DAY)
    shorter = market().records(DATASET, "ESU5", *window)[:-10]
    owned = look(l2_shop, write("c.dbn.zst", window, synthetic=True, records=shorter))
    assert "bought before" in register(owned, RawCache(raw_root(l2_shop.home, synthetic=True)))[DAY]
    assert l2_shop.build(DAY, force=True).rows == bought.rows


def test_l10_file_with_a_record_limit_covers_only_what_it_holds(l2_shop: L2Shop, write: Write) -> None:
    window = ns(2025, 9, 3), ns(2025, 9, 4)
    records = market().records(DATASET, "ESU5", *window)[:50]
    owned = look(l2_shop, write(records=records, limit=50))
    assert owned.window_ns == (window[0], int(records["ts_recv"][-1]) + 1)


def test_l10_shares_are_imported_with_everything_outside_trading_hours(l2_shop: L2Shop, write: Write) -> None:
    path = write("aapl.dbn.zst", symbol="AAPL", dataset="XNAS.ITCH")
    take(l2_shop, path)
    result = made(l2_shop, symbol="AAPL")
    assert result.rows == len(market().records("XNAS.ITCH", "AAPL", ns(2025, 9, 3, 4), ns(2025, 9, 4)))


def test_l10_contract_that_is_not_in_front_is_left_out(l2_shop: L2Shop, write: Write) -> None:
    owned = look(l2_shop, write(symbol="ESZ5"))
    assert owned.days == {}
    assert owned.left_out[DAY] == "ESZ5 is not in front (ESU5 is)"


def test_l10_file_asked_for_by_a_rule_needs_the_contract_e390(l2_shop: L2Shop, write: Write) -> None:
    path = write(requested="ES.v.0", stype_in="continuous")
    with pytest.raises(VendorError) as raised:
        look(l2_shop, path)
    assert raised.value.code == "E390"
    with pytest.raises(VendorError) as raised:
        look(l2_shop, path, "ES.v.0")
    assert raised.value.code == "E390"
    owned = take(l2_shop, path, "ESU25")
    assert (owned.raw_symbol, owned.symbol_in_file) == ("ESU5", "ES.v.0")
    assert made(l2_shop).outcome is Outcome.WRITE
    assert set(l2_shop.lake.read("l2", "ES", DAY)["raw_symbol"]) == {"ESU5"}


def test_l10_symbol_that_is_not_in_the_file_is_e391(l2_shop: L2Shop, write: Write) -> None:
    with pytest.raises(VendorError, match="ESU5") as raised:
        look(l2_shop, write(), "NQU5")
    assert raised.value.code == "E391"


def test_l10_file_without_a_record_of_an_open_date_is_e392(l2_shop: L2Shop, write: Write) -> None:
    with pytest.raises(VendorError) as raised:
        look(l2_shop, write(records=market().records(DATASET, "ESU5", ns(2025, 9, 3), ns(2025, 9, 4))[:0]))
    assert raised.value.code == "E392"


def test_l10_file_of_another_venue_is_e311(l2_shop: L2Shop, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_DATABENTO_DATASET", "XNYS.PILLAR")
    with pytest.raises(VendorError) as raised:
        look(l2_shop, write("aapl.dbn.zst", symbol="AAPL", dataset="XNAS.ITCH"))
    assert raised.value.code == "E311"


@pytest.mark.parametrize(
    ("spoil", "code"), [("schema", "E302"), ("cut", "E303"), ("flip", "E304"), ("version", "E301")]
)
def test_l10_wrong_truncated_and_damaged_files_are_refused(
    l2_shop: L2Shop, write: Write, spoil: str, code: str
) -> None:
    path = write(schema="trades") if spoil == "schema" else write()
    data = bytearray(path.read_bytes())
    if spoil == "cut":
        data = data[: len(data) * 2 // 3]
    elif spoil == "flip":
        data[len(data) // 2] ^= 0x40
    elif spoil == "version":
        one = market().dbn_symbol(DATASET, "ESU5")
        head = dbn_metadata(one, ns(2025, 9, 3), ns(2025, 9, 4))
        data = bytearray(b"".join(dbn_zstd(head[:3] + b"\x04" + head[4:], [], synthetic=False)))
    path.write_bytes(bytes(data))
    with pytest.raises(VendorError) as raised:
        look(l2_shop, path)
    assert raised.value.code == code
    assert not l2_shop.home.cache_dir.joinpath("dbn").exists()


def test_l10_file_that_changes_while_it_is_imported_is_e305(l2_shop: L2Shop, write: Write) -> None:
    path = write()
    owned = look(l2_shop, path)
    path.write_bytes(write("other.dbn.zst", (ns(2025, 9, 2), ns(2025, 9, 3))).read_bytes())
    with pytest.raises(VendorError) as raised:
        register(owned, RawCache(raw_root(l2_shop.home, synthetic=False)))
    assert raised.value.code == "E305"
    assert made(l2_shop).outcome is Outcome.UNAVAIL


def test_l7_stand_in_never_replaces_real_rows_e384_and_the_vendor_replaces_synthetic_ones(
    l2_shop: L2Shop, write: Write
) -> None:
    synthetic = l2_shop.build(DAY)
    assert synthetic.synthetic
    take(l2_shop, write("whole.dbn.zst", (ns(2025, 9, 2, 22), ns(2025, 9, 3, 22))))
    real = made(l2_shop)
    assert (real.outcome, real.synthetic) == (Outcome.WRITE, False)
    before = l2_shop.seen()
    again = l2_shop.build(DAY, force=True, rebuy=True)
    assert (again.outcome, again.error and again.error.code) == (Outcome.UNAVAIL, "E384")
    assert l2_shop.seen() == before
    assert not l2_shop.lake.footer("l2", "ES", DAY).synthetic  # type: ignore[union-attr]


def test_l7_synthetic_day_counts_as_absent_for_the_vendor_and_is_to_buy(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic = l2_shop.build(DAY)
    vendor = owner(l2_shop)
    offer = l2_shop.vendor().offer(l2_shop.vendor().target("ES", SESSION), SESSION)
    monkeypatch.setattr(vendor, "offer", lambda *_: offer)
    builder = l2_shop.builder(vendor=vendor)
    view = builder.view(DAY)
    assert (view.is_to_buy, view.reason) == (True, "the stored day is synthetic")
    assert view.stored is not None
    assert builder.replaces(view.stored)
    assert not builder.is_current(view)
    assert not l2_shop.builder().replaces(view.stored)
    assert synthetic.path is not None


def test_l7_synthetic_file_among_real_ones_is_e386(l2_shop: L2Shop, write: Write) -> None:
    owned = look(l2_shop, write("whole.dbn.zst", (ns(2025, 9, 2, 22), ns(2025, 9, 3, 22)), synthetic=True))
    register(owned, RawCache(raw_root(l2_shop.home, synthetic=False)))
    result = made(l2_shop)
    assert (result.outcome, result.error and result.error.code) == (Outcome.ERROR, "E386")


def test_l10_long_file_lies_in_the_cache_once(l2_shop: L2Shop, write: Write) -> None:
    window = ns(2025, 9, 2), ns(2025, 9, 6)
    owned = take(l2_shop, write(window=window))
    assert list(owned.days) == [date(2025, 9, 2) + timedelta(days=number) for number in range(4)]
    files = list(RawCache(raw_root(l2_shop.home, synthetic=False)).files())
    assert len(files) == 4
    assert len({path.stat().st_ino for path in files}) == 1
    for day in owned.days:
        assert made(l2_shop, day).rows == owned.days[day]


@pytest.mark.parametrize("damage", ["changed", "deleted", "cache"])
def test_l10_a_copy_of_a_raw_file_that_changed_or_is_gone_is_taken_without_paying(
    l2_shop: L2Shop, tmp_path: Path, damage: str
) -> None:
    first = l2_shop.build(DAY)
    (raw,) = l2_shop.home.cache_dir.rglob("*.dbn.zst")
    copy = tmp_path / "copy.dbn.zst"
    copy.write_bytes(raw.read_bytes())
    code = {"changed": "E355", "deleted": "E383", "cache": "E383"}[damage]
    if damage == "changed":
        raw.write_bytes(b"other bytes")
    elif damage == "deleted":
        raw.unlink()
    else:
        shutil.rmtree(l2_shop.home.cache_dir)
    failed = l2_shop.build(DAY, force=True)
    assert failed.error is not None
    assert (failed.error.code, "tp l2 import FILE" in failed.error.why) == (code, True)
    take(l2_shop, copy)
    again = l2_shop.build(DAY, force=True)
    assert (again.error, again.rows) == (None, first.rows)
    assert len(l2_shop.server.paid_calls) == 1


def test_l10_contract_may_be_named_in_small_letters(l2_shop: L2Shop, write: Write) -> None:
    owned = look(l2_shop, write(), "esu5")
    assert (owned.symbol, owned.raw_symbol) == ("ES", "ESU5")
