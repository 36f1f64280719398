"""``tp gex fetch`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gexfeed.feed_files import NAME, snapshot
from tests.gexfeed.feed_server import Reply, serve
from trading_platform.home import create_home

from .conftest import call

TEXT = json.dumps([snapshot(0)]).encode()


def test_g1_dry_run_names_the_file_and_asks_nobody(tmp_path: Path) -> None:
    called = call("gex", "fetch", "2025-03-10", "--ticker", "MNQ", "--out", tmp_path / "feed", "--dry-run", "--json")
    (file,) = called.json["files"]
    assert (called.code, called.json["dry_run"]) == (0, True)
    assert (file["status"], file["ticker"], file["category"]) == ("planned", "NQ_NDX", "gex_full")
    assert file["url"] == f"https://hist.gex.bot/{NAME}.gz"
    assert not (tmp_path / "feed").exists()


def test_g1_fetch_stores_what_comes_and_fails_for_what_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as server:
        monkeypatch.setattr("trading_platform.gexfeed.transport.ALLOWED_ORIGINS", frozenset({server.origin}))
        server.replies[f"/{NAME}"] = [Reply(body=TEXT)]
        urls = ["--url", f"{server.origin}/{NAME}?sig=1", "--url", f"{server.origin}/{NAME.replace('10', '11')}"]
        called = call("gex", "fetch", *urls, "--out", tmp_path)
    assert called.code == 3
    assert "1 fetched, 1 failed" in called.out
    assert "E275" in called.err
    assert (tmp_path / NAME).read_bytes() == TEXT


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("2025-03-10",), 3, "E263"),
        (("2025-03-10", "--category", "gex_all", "--out", "x"), 3, "E278"),
        (("--url", f"https://[foo/{NAME}", "--out", "x"), 3, "E273"),
        ((), 2, "trade dates"),
        (("10.03.2025",), 2, "10.03.2025"),
    ],
)
def test_g1_wrong_usage_is_told_before_anything_is_asked(arguments: tuple[str, ...], code: int, text: str) -> None:
    called = call("gex", "fetch", *arguments)
    assert called.code == code
    assert text in called.err


def test_g1_folder_of_the_home_is_used_and_a_demo_takes_no_real_files(tmp_path: Path) -> None:
    real = create_home(tmp_path / "real", gex_dir=tmp_path / "feed")
    called = call("gex", "fetch", "2025-03-10", "--dry-run", "--json", home=real.path)
    assert (called.code, called.json["folder"]) == (0, str(tmp_path / "feed"))
    demo = create_home(tmp_path / "demo", gex_dir=tmp_path / "synthetic", demo=True)
    refused = call("gex", "fetch", "2025-03-10", "--dry-run", home=demo.path)
    assert refused.code == 2
    assert "E104" in refused.err
