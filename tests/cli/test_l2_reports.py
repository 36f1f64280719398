"""``tp l2 manifest`` and ``tp l2 analyze`` after a backfill against the stand-in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.databento.l2_shop import serving
from tests.databento.shop import market
from trading_platform.databento.vendor_bars import RECORD
from trading_platform.files import sha256_of
from trading_platform.home import create_home, open_home
from trading_platform.l2.agreement import bars_of_trades
from trading_platform.lake import LocalLake
from trading_platform.simulation.databento import DataBentoStandIn
from trading_platform.simulation.dbn import dbn_metadata, dbn_zstd

from .conftest import call, listing
from .test_l2 import use

DAY = "2025-09-03"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    create_home(folder)
    (folder / "instruments.toml").write_text('active = ["SPY"]\n', encoding="utf-8")
    return folder


@pytest.fixture
def server(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataBentoStandIn]:
    with serving(elsewhere, monkeypatch) as running:
        use(elsewhere, running)
        yield running


def test_l6_manifest_tells_the_state_and_analyze_reports_on_a_day(
    home: Path, server: DataBentoStandIn, tmp_path: Path
) -> None:
    span = ("--from", "2025-09-01", "--to", "2025-09-03")
    call("l2", "backfill", "--symbols", "SPY,AAPL", *span, "--yes", home=home)
    asked = len(server.requests)

    out = tmp_path / "out"
    dry = call("l2", "manifest", "--out", out, "--dry-run", "--json", home=home)
    assert (dry.code, out.exists()) == (0, False)
    written = call("l2", "manifest", "--out", out, "--json", home=home)
    assert (written.json["new_lines"], written.json["synthetic"]) == (6, True)
    assert {**written.json, "dry_run": True} == dry.json

    lines = [json.loads(line) for line in (out / "backfill_l2_manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    days = [f"2025-09-0{day}" for day in (1, 2, 3)]
    assert [(line["date"], line["symbol"]) for line in lines] == [
        (day, name) for day in days for name in ("AAPL", "SPY")
    ]
    assert [line["outcome"] for line in lines[:2]] == ["CLOSED", "CLOSED"]
    assert sorted(line["outcome"] for line in lines[2:]) == ["WRITE"] * 4
    bought = lines[-1]
    assert bought["sha256"] == sha256_of(Path(bought["path"]))
    assert (bought["dataset"], bought["schema"], bought["attempts"]) == ("XNAS.ITCH", "mbp-10", 1)
    assert bought["window"] == {"start": "2025-09-03T13:30:00+00:00", "end": "2025-09-03T20:00:00+00:00"}
    assert bought["cost_usd"] > 0
    assert bought["warnings"] == []
    assert bought["run_id"]

    before = listing(out)
    again = call("l2", "manifest", "--out", out, home=home)
    assert "6 lines kept, 0 new" in again.out
    manifest = str(out / "backfill_l2_manifest.jsonl")
    assert listing(out)[manifest] == before[manifest]

    report = call("l2", "analyze", "spy", "2025-09-03", "--json", home=home)
    assert (report.code, report.json["rows"], report.json["measures_from"]) == (0, bought["rows"], "l2_metrics")
    (bars,) = report.json["agreement"]
    assert (bars["check"], bars["agrees"]) == ("agrees_with_vendor_bars", None)
    assert "no bars of the vendor are imported" in bars["found"]
    plotted = call("l2", "analyze", "SPY", "2025-09-03", "--plot", "--out", out / "pictures", home=home)
    assert plotted.code == 0
    assert "point of control" in plotted.out
    assert len(list((out / "pictures").iterdir())) == 3
    absent = call("l2", "analyze", "SPY", "2025-09-04", home=home)
    assert (absent.code, absent.error and absent.error.code) == (3, "E460")
    assert len(server.requests) == asked

    Path(bought["path"]).unlink()
    call("l2", "manifest", "--out", out, home=home)
    last = json.loads((out / "backfill_l2_manifest.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["symbol"], last["date"], last["outcome"], last["sha256"]) == ("SPY", "2025-09-03", "MISSING", None)
    assert last["reason"] == "made with outcome WRITE, but its file is gone"


def test_l10_imported_bars_are_compared_by_the_command_that_the_import_names(
    home: Path, server: DataBentoStandIn, tmp_path: Path
) -> None:
    call("l2", "backfill", "--symbols", "SPY", "--from", DAY, "--to", DAY, "--yes", home=home)
    lake = LocalLake(open_home(home).lake_dir)
    bars = bars_of_trades(lake.scan("l2", "SPY", date.fromisoformat(DAY)))
    records = np.zeros(bars.height, RECORD)
    one = market().dbn_symbol("XNAS.ITCH", "SPY")
    records["length"], records["rtype"], records["instrument_id"] = 14, 33, one.instrument_id
    records["ts_event"] = bars["ts_ns"].to_numpy()
    for column in ("open", "high", "low", "close", "volume"):
        records[column] = bars[column].to_numpy()
    records["close"][1] += 1
    window = (1_756_906_200_000_000_000, 1_756_929_600_000_000_000)  # 13:30 to 20:00 UTC
    path = tmp_path / "bars.dbn.zst"
    path.write_bytes(b"".join(dbn_zstd(dbn_metadata(one, *window, schema="ohlcv-1m"), [records])))
    imported = call("l2", "import", path, home=home)
    following = re.findall(r"^next: tp (.*)", imported.out, re.MULTILINE)
    assert (imported.code, following) == (0, [f"l2 analyze SPY {DAY}"])
    report = call(*following[0].split(), "--json", home=home)
    (found,) = report.json["agreement"]
    assert (found["agrees"], found["values"]["different_minutes"]) == (False, 1)
    assert f"1 of {bars.height} minutes differ" in call(*following[0].split(), home=home).out
