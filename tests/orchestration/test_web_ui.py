"""The web UI in a real browser: lineage, and a partition page with its picture (P8)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from trading_platform.home import Home

from .conftest import FIVE_DAYS, make_home

DAY = FIVE_DAYS[2].isoformat()
PICTURES = os.environ.get("TEST_PICTURES_DIR")


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(found is not None, "no Chromium in PATH (apt install chromium)")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = make_home(tmp_path_factory.mktemp("ui"), active=("MNQ", "ES"))
    line = [sys.executable, "-m", "trading_platform.cli", "backfill", "--from", DAY, "--to", DAY]
    subprocess.run(line, env={**os.environ, "TP_HOME": str(made.path)}, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def url(home: Home) -> Iterator[str]:
    line = [sys.executable, "-m", "trading_platform.cli", "ui", "--json"]
    environment = {**os.environ, "TP_HOME": str(home.path)}
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line_read = process.stdout.readline()
            assert line_read, "tp ui ended before it printed its address"
            text += line_read
        yield json.loads(text)["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def post(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer["data"]


def browse(chromium: str, address: str, folder: Path, *, picture: Path | None = None) -> str:
    """Open a page, return its DOM, and keep a screenshot if asked."""
    flags = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars --window-size=1900,1100 --virtual-time-budget=30000"
    common = [chromium, *flags.split()]
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        profile = f"--user-data-dir={folder / 'for-picture'}"
        subprocess.run(
            [*common, profile, f"--screenshot={picture}", address], check=True, capture_output=True, timeout=120
        )
    profile = f"--user-data-dir={folder / 'for-dom'}"
    done = subprocess.run(
        [*common, profile, "--dump-dom", address], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout


@pytest.mark.slow
def test_p8_partition_page_shows_the_picture(chromium: str, url: str, tmp_path: Path) -> None:
    picture = Path(PICTURES) / "partition-page.png" if PICTURES else None
    page = f"{url}/assets/MNQ/ticks?view=partitions&partition={DAY}"
    dom = browse(chromium, page, tmp_path, picture=picture)
    assert "data:image/svg+xml," in dom
    assert "SYNTHETIC%20DATA" in dom  # inside the picture
    assert "SYNTHETIC DATA" in dom
    assert "content_hash" in dom


@pytest.mark.slow
def test_p8_lineage_shows_all_assets(chromium: str, url: str, tmp_path: Path) -> None:
    picture = Path(PICTURES) / "lineage.png" if PICTURES else None
    page = f"{url}/assets/lake/sql_views?view=lineage&lineageScope=upstream&lineageDepth=5"
    dom = browse(chromium, page, tmp_path, picture=picture)
    for name in ("bars_1m", "bars_1s", "ticks", "sql_views"):
        assert name in dom


@pytest.mark.slow
def test_p8_daemon_runs_beside_the_web_server(url: str) -> None:
    query = "query { instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } } }"
    required: dict[str, Any] = {}
    for _ in range(60):
        statuses = post(url, query, {})["instance"]["daemonHealth"]["allDaemonStatuses"]
        required = {status["daemonType"]: status["healthy"] for status in statuses if status["required"]}
        if required and all(required.values()):
            break
        time.sleep(1)
    assert required
    assert all(required.values()), required
