"""The stand-in speaks the vendor's protocol: every address, through the vendor's own library."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pytest
import requests

from trading_platform.databento.dbn import DbnFile
from trading_platform.databento.query import nanoseconds_of
from trading_platform.errors import RefusedError
from trading_platform.home import create_home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.sessions import calendar_for
from trading_platform.sierra.scid import ScidFile
from trading_platform.simulation import write_demo_archive
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind, StandInMarket, read_faults

from .shop import DATASET, DAY, KEY, NOW, Shop, a_query, market


@pytest.fixture
def library(shop: Shop) -> Any:
    return databento.Historical(KEY, gateway=shop.server.gateway)


def test_l7_lists_and_prices(library: Any) -> None:
    assert library.metadata.list_datasets() == ["GLBX.MDP3", "XNAS.ITCH"]
    assert library.metadata.list_schemas(DATASET) == ["mbp-10"]
    assert library.metadata.list_unit_prices(DATASET)[0]["unit_prices"] == {"mbp-10": 2.0}
    assert [entry["publisher_id"] for entry in library.metadata.list_publishers()] == [1, 2]


def test_l7_data_are_cut_to_the_window_and_equal_count_size_and_cost(library: Any, shop: Shop, tmp_path: Path) -> None:
    query = a_query(hours=(14, 15))
    parameters = query.metadata_parameters()
    path = tmp_path / "day.dbn.zst"
    store = library.timeseries.get_range(**query.data_parameters(), path=path)
    received = store.to_ndarray()["ts_recv"]
    assert len(received) == library.metadata.get_record_count(**parameters) > 50
    assert query.start_ns <= received.min() <= received.max() < query.end_ns
    assert np.all(np.diff(received.astype(np.int64)) >= 0)
    assert library.metadata.get_billable_size(**parameters) == len(received) * 368
    assert library.metadata.get_cost(**parameters) == pytest.approx(shop.server.paid_calls[0].billed_usd)
    with DbnFile(path) as file:
        assert (file.synthetic, file.metadata.symbols, file.metadata.version) == (True, ("ESU5",), 3)


def test_l7_two_servers_serve_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    bodies = []
    for _ in range(2):
        with DataBentoStandIn(market(), keys=[KEY], available_until=NOW, folder=tmp_path / "other") as other:
            form = {**a_query().data_parameters(), "symbols": "ESU5", "encoding": "dbn", "compression": "zstd"}
            answer = requests.post(
                f"{other.gateway}/v0/timeseries.get_range",
                data=form,
                auth=(KEY, ""),
                verify=str(other.cert_path),
                timeout=10,
            )
            bodies.append(answer.content)
    assert bodies[0] == bodies[1] != b""


def test_l7_a_share_of_nasdaq_is_served_in_its_session(library: Any) -> None:
    query = {**a_query().data_parameters(), "dataset": "XNAS.ITCH", "symbols": ["AAPL"]}
    records = library.timeseries.get_range(**query).to_ndarray()
    assert len(records) > 50
    assert set(records["publisher_id"]) == {2}


def test_l7_a_continuous_symbol_rolls_inside_a_window(library: Any) -> None:
    query = {**a_query(date(2025, 9, 15)).data_parameters(), "symbols": ["ES.v.0"], "stype_in": "continuous"}
    query["start"] -= 3 * 86_400 * 10**9
    store = library.timeseries.get_range(**query)
    assert len(set(store.to_ndarray()["instrument_id"])) == 2
    assert [str(entry["start_date"]) for entry in store.metadata.mappings["ES.v.0"]] == ["2025-09-12", "2025-09-15"]


def test_l7_symbols_that_do_not_exist_are_listed_as_not_found(library: Any) -> None:
    answer = library.symbology.resolve(DATASET, ["ESU5", "QQQQ"], "raw_symbol", "instrument_id", "2025-09-03")
    assert (answer["not_found"], list(answer["result"])) == (["QQQQ"], ["ESU5"])
    with pytest.raises(databento.BentoClientError, match="symbology_invalid_symbol") as raised:
        library.timeseries.get_range(**{**a_query().data_parameters(), "symbols": ["QQQQ"]})
    assert raised.value.http_status == 422


@pytest.mark.parametrize(
    ("change", "case"),
    [
        ({"dataset": "XXXX.NONE"}, "data_invalid_dataset"),
        ({"schema": "trades"}, "data_invalid_schema"),
        ({"start": "yesterday"}, "data_invalid_time"),
        ({"end": 1_756_000_000_000_000_000}, "data_time_range_start_on_or_after_end"),
        ({"end": 1_856_000_000_000_000_000}, "data_end_after_available_end"),
    ],
)
def test_l7_wrong_questions_are_refused_as_the_vendor_does(
    library: Any, shop: Shop, change: dict[str, Any], case: str
) -> None:
    with pytest.raises(databento.BentoClientError, match=case) as raised:
        library.timeseries.get_range(**{**a_query().data_parameters(), **change})
    assert (raised.value.http_status, raised.value.request_id) == (422, shop.server.requests[-1].request_id)
    assert shop.server.paid_calls == []


def test_l7_a_job_is_a_list_of_files_and_a_zip(library: Any, shop: Shop, tmp_path: Path) -> None:
    job = library.batch.submit_job(**a_query().data_parameters(), split_duration="none")
    assert library.batch.list_jobs(short=True)[0]["state"] == "queued"
    assert library.batch.list_jobs(states="done") == []
    with pytest.raises(databento.BentoClientError, match="not_ready"):
        library.batch.list_files(job["id"])
    assert library.batch.get_job_details(job["id"])["state"] == "done"
    names = [entry["filename"] for entry in library.batch.list_files(job["id"])]
    assert names == ["condition.json", "metadata.json", "glbx-mdp3-20250903.mbp-10.dbn.zst"]
    library.batch.download(job["id"], tmp_path, keep_zip=True)
    archive = zipfile.ZipFile(tmp_path / job["id"] / f"{job['id']}.zip")
    assert sorted(archive.namelist()) == sorted([*names, "manifest.json"])
    assert len(shop.server.paid_calls) == 1
    with pytest.raises(databento.BentoClientError, match="batch_job_not_found"):
        library.batch.get_job_details("nothing")


def test_l7_only_tls_and_only_a_valid_key_get_in(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{shop.server.gateway}/v0/metadata.list_datasets"
    for key in ("db-wrong", ""):
        answer = requests.get(address, auth=(key, ""), timeout=10)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Authentication failed."})
    assert requests.get(address, timeout=10, headers={"Authorization": "Basic !"}).status_code == 401
    assert "request-id" in answer.headers
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(address.replace("https", "http"), timeout=10)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(address, timeout=10)


def test_l7_a_prefix_of_the_gateway_is_kept(tmp_path: Path) -> None:
    with DataBentoStandIn(market(), keys=[KEY], folder=tmp_path, prefix="/x") as server:
        answer = requests.get(
            f"{server.gateway}/v0/metadata.list_datasets", auth=(KEY, ""), verify=str(server.cert_path), timeout=10
        )
        assert answer.json() == ["GLBX.MDP3", "XNAS.ITCH"]
        outside = server.gateway.removesuffix("/x") + "/v0/metadata.list_datasets"
        assert requests.get(outside, auth=(KEY, ""), verify=str(server.cert_path), timeout=10).status_code == 404


def test_l7_the_log_of_requests_is_also_a_file_without_the_key(library: Any, shop: Shop) -> None:
    library.metadata.list_datasets()
    text = shop.server.log_path.read_text()
    assert [json.loads(line)["call"] for line in text.splitlines()] == ["metadata.list_datasets"]
    assert KEY not in text
    assert (shop.server.folder / "key.pem").stat().st_mode & 0o077 == 0


def test_l7_empty_is_empty_in_count_and_body(library: Any, shop: Shop) -> None:
    shop.script(FaultKind.EMPTY, day=DAY)
    assert library.metadata.get_record_count(**a_query().metadata_parameters()) == 0
    assert len(library.timeseries.get_range(**a_query().data_parameters()).to_ndarray()) == 0
    assert library.metadata.get_record_count(**a_query(date(2025, 9, 4)).metadata_parameters()) > 0


def test_l7_a_script_of_faults_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(
        json.dumps(
            [{"kind": "status", "value": 429, "retry_after": 2, "attempts": [1], "day": "2025-09-03", "symbol": "ESU5"}]
        )
    )
    assert read_faults(path) == (
        Fault(FaultKind.STATUS, symbol="ESU5", day=DAY, attempts=(1,), value=429, retry_after="2"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"kind": "stautus"}]',
        '[{"kind": "status"}]',
        '[{"kind": "slow", "value": "x"}]',
        '[{"kin": 1}]',
        '[{"kind": "empty", "day": "today"}]',
    ],
)
def test_l7_a_wrong_script_is_e370(tmp_path: Path, text: str) -> None:
    (tmp_path / "faults.json").write_text(text)
    with pytest.raises(RefusedError) as raised:
        read_faults(tmp_path / "faults.json")
    assert raised.value.code == "E370"


def test_l7_a_port_that_is_taken_is_e371(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(RefusedError) as raised:
        DataBentoStandIn(market(), port=taken.getsockname()[1], folder=tmp_path).start()
    assert raised.value.code == "E371"


def test_l7_tp_simulate_databento_serves_until_it_is_stopped(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TP_", "DATABENTO"))}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "trading_platform.cli",
            "simulate",
            "databento",
            "--json",
            "--ticks",
            "200",
            "--folder",
            "s",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n") or text.count("{") != text.count("}"):
        line = process.stdout.readline()
        assert line, process.communicate()
        text += line
    said = json.loads(text)
    sourced = subprocess.run(
        ["bash", "-c", '. "$1" && echo "$TP_DATABENTO_GATEWAY"', "-", said["environment_file"]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sourced.stdout.strip() == said["gateway"]
    answer = requests.get(
        f"{said['gateway']}/v0/metadata.list_datasets",
        auth=(said["environment"]["DATABENTO_API_KEY"], ""),
        verify=said["environment"]["REQUESTS_CA_BUNDLE"],
        timeout=10,
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert answer.json() == ["GLBX.MDP3", "XNAS.ITCH"]
    assert said["note"].startswith("SYNTHETIC")
    assert (tmp_path / "s" / "requests.jsonl").is_file()


def simulate(*arguments: str, home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TP_", "DATABENTO"))}
    return subprocess.run(
        [sys.executable, "-m", "trading_platform.cli", "simulate", "databento", "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        check=False,
    )


def test_l7_a_command_behind_the_dashes_buys_from_the_stand_in_and_its_exit_code_is_handed_on(tmp_path: Path) -> None:
    home = create_home(tmp_path / "demo", demo=True)
    day = ("--from", "2025-03-12", "--to", "2025-03-12")
    line = (sys.executable, "-m", "trading_platform.cli", "l2", "backfill", "--symbols", "AAPL", *day, "--json")
    first, second = (simulate("--", *line, home=home.path, folder=tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert [json.loads(done.stdout)["tasks"][0]["status"] for done in (first, second)] == ["WRITE", "SKIP"]
    assert "SYNTHETIC" in first.stderr
    assert " 1 of them paid: " in first.stderr
    assert "stand-in: 0 requests, 0 of them paid: 0.0000 pretend dollars" in second.stderr
    refused = simulate("--", sys.executable, "-c", "raise SystemExit(3)", home=home.path, folder=tmp_path)
    assert refused.returncode == 3


def test_l7_a_command_that_cannot_be_started_is_e372(tmp_path: Path) -> None:
    done = simulate("--", "no-such-program", home=create_home(tmp_path / "home").path, folder=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[1][:4]) == (3, "E372")


@pytest.mark.parametrize(("root", "code"), [("ES", "H5"), ("ES", "M5"), ("MNQ", "M5")])
def test_l7_the_market_of_the_demo_has_the_trades_of_its_files(tmp_path: Path, root: str, code: str) -> None:
    registry, day = load_registry(), date(2025, 3, 18)
    rolls = load_roll_table(registry)
    files = write_demo_archive(tmp_path, registry, rolls, trade_dates=(date(2025, 3, 14), day), ticks_per_full_day=600)
    (file,) = (one for one in files.files if one.contract == f"{root}{code[0]}25")
    session = calendar_for("CME_EQUITY").session(day)
    with ScidFile(file.path) as source:
        records = source.read(0, source.record_count)
    recorded = records[records["dt"] > records["dt"].max() - 86_400 * 10**6]
    sold = StandInMarket.of_demo(registry, rolls, ticks_per_full_day=600).records(
        DATASET, f"{root}{code}", nanoseconds_of(session.window_start), nanoseconds_of(session.window_end)
    )
    trades = sold[sold["action"] == b"T"]
    assert trades["size"].tolist() == recorded["total_volume"][recorded["total_volume"] > 0].tolist() != []
