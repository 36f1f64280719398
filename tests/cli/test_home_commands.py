"""``tp init``, ``tp config``, ``tp instruments`` and ``tp rolls``: what people set up before data flow."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_platform.clock import FixedClock
from trading_platform.errors import SourceError
from trading_platform.home import create_home, open_home
from trading_platform.instruments import Contract, load_registry
from trading_platform.sierra import SierraArchive, usual_folders
from trading_platform.simulation import scid_header

from .conftest import call, listing


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Return a Sierra Chart folder with dated contracts and other files; all are empty but valid."""
    folder = tmp_path / "Data"
    folder.mkdir()
    for name in ("MNQZ25_FUT_CME", "MNQH26_FUT_CME", "MNQH26-CME", "ESH25_FUT_CME", "AAPL", "BTCUSDT_PERP_BINANCE"):
        (folder / f"{name}.scid").write_bytes(scid_header())
    (folder / "notes.txt").write_text("mine")
    return folder


def test_u6_init_makes_a_home_in_the_working_directory_and_reports_the_contracts(
    elsewhere: Path, data_folder: Path
) -> None:
    called = call("init", "--sierra-dir", data_folder, "--instruments", "MNQ,ES", "--json")
    assert called.code == 0
    assert called.json["contracts"] == {"ES": ["ESH25"], "MNQ": ["MNQZ25", "MNQH26"]}
    assert called.json["unresolved"] == ["AAPL.scid", "BTCUSDT_PERP_BINANCE.scid"]
    assert called.json["problems"] == [
        "MNQH26 exists under several symbols; choose one: tp instruments set MNQ --sierra-style fut"
    ]
    assert called.json["next"] == "tp backfill --last 20"
    home = open_home(elsewhere / ".tp")
    assert home.sierra_dir == data_folder.resolve()
    text = home.instruments_toml.read_text()
    assert tomllib.loads(text)["active"] == ["MNQ", "ES"]
    assert "# " in text
    assert not home.rolls_csv.exists()
    assert not home.sources_toml.exists()


def test_u6_init_again_keeps_what_a_person_wrote_and_adds_what_is_new(real_home: Path, data_folder: Path) -> None:
    assert call("init", "--home", real_home, "--sierra-dir", data_folder, "--instruments", "MNQ,ES").code == 0
    first = (real_home / "instruments.toml").read_text()
    assert first.startswith("# mine\n")
    assert tomllib.loads(first)["active"] == ["MNQ", "ES"]
    assert call("init", "--home", real_home).code == 0
    assert (real_home / "instruments.toml").read_text() == first
    assert open_home(real_home).sierra_dir == data_folder.resolve()


def test_u6_init_records_the_folders_of_gamma_data_and_config_shows_them(elsewhere: Path, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("gex", "chains")}
    for folder in folders.values():
        folder.mkdir()
    called = call("init", "--gex-dir", folders["gex"], "--chain-dir", folders["chains"], "--json")
    assert (called.json["gex_dir"], called.json["chain_dir"]) == tuple(map(str, folders.values()))
    assert call("init", "--instruments", "MNQ").code == 0
    home = open_home(elsewhere / ".tp")
    assert (home.gex_dir, home.chain_dir) == tuple(folder.resolve() for folder in folders.values())
    rows = {row["setting"]: row for row in call("config", "--json").json["settings"]}
    assert rows["TP_GEX_DIR"]["from"] == "home (tp init --gex-dir)"
    assert rows["TP_CHAIN_DIR"]["value"] == str(home.chain_dir)
    missing = call("init", "--gex-dir", tmp_path / "nowhere")
    assert missing.error is not None
    assert (missing.code, missing.error.code) == (2, "E163")


def test_s2_the_gamma_series_of_an_active_future_is_active_with_it(real_home: Path) -> None:
    listed = call("instruments", "list", "--json", home=real_home).json
    assert [one["symbol"] for one in listed if one["active"]] == ["MNQ", "NQ_NDX"]
    assert call("instruments", "show", "NQ_NDX", "--json", home=real_home).json["active"] is True


def test_u2_init_dry_run_creates_nothing(elsewhere: Path, data_folder: Path) -> None:
    called = call("init", "--sierra-dir", data_folder, "--instruments", "MNQ", "--dry-run")
    assert called.code == 0
    assert "dry run" in called.out
    assert listing(elsewhere) == {}


def test_u6_init_in_another_folder_says_how_to_reach_it(tmp_path: Path) -> None:
    called = call("init", "--home", tmp_path / "my home", "--instruments", "MNQ", "--json")
    assert called.json["next"].startswith(f"TP_HOME='{tmp_path / 'my home'}' tp init --sierra-dir ")


def test_u5_init_without_data_names_a_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = (tmp_path / "absent", tmp_path / "Sierra Chart" / "Data")
    monkeypatch.setattr(usual_folders, "usual_folders", lambda: usual)
    assert call("init", "--instruments", "mnq", "--json").json["next"] == f"tp init --sierra-dir {usual[0]}"
    usual[1].mkdir(parents=True)
    named = call("init", "--json").json
    assert (named["next"], named["active"]) == (f"tp init --sierra-dir '{usual[1]}'", ["MNQ"])
    assert call("init", "--sierra-dir", usual[1], "--json").json["next"] == "tp doctor"
    (usual[1] / "download.scid").write_bytes(b"")
    assert call("init", "--json").json["next"] == f"tp sierra inspect '{usual[1] / 'download.scid'}'"


def test_u5_init_with_gamma_folders_alone_does_not_ask_for_a_sierra_folder(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    home = tmp_path / "home"
    called = call("init", "--home", home, "--instruments", "SPX", "--gex-dir", tmp_path / "feed", "--json")
    assert called.json["next"] == f"TP_HOME={home} tp doctor"


def test_u5_a_missing_archive_names_a_folder_too_e211(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_folders, "usual_folders", lambda: (tmp_path / "Data",))
    archive = SierraArchive(None, None, load_registry())
    with pytest.raises(SourceError) as raised:
        archive.file_for(Contract.parse("MNQM25"))
    assert (raised.value.code, raised.value.next_command) == ("E211", f"tp init --sierra-dir {tmp_path / 'Data'}")


def test_u6_symbols_may_be_written_small(real_home: Path) -> None:
    assert call("instruments", "activate", "es", home=real_home).code == 0
    assert tomllib.loads((real_home / "instruments.toml").read_text())["active"] == ["MNQ", "ES"]
    assert call("instruments", "show", "mnq", "--json", home=real_home).json["symbol"] == "MNQ"
    shown = call("rolls", "show", "mnq", "--from", "2025-03-10", "--to", "2025-03-21", "--json", home=real_home)
    assert [row["contract"] for row in shown.json] == ["MNQH25", "MNQM25"]
    called = call("instruments", "set", "mnq", "--price-scale", "0.01", "--dry-run", home=real_home)
    assert "[instruments.MNQ" in called.out


def test_u5_a_home_that_cannot_be_written_is_e616_and_no_traceback(real_home: Path) -> None:
    (real_home / "dagster").rmdir()
    (real_home / "dagster").write_text("a file where the folder should be")
    called = call("runs", home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code, called.error.next_command) == (1, "E616", "tp doctor")


@pytest.mark.slow
def test_u5_a_full_disk_is_e616_and_no_traceback(real_home: Path) -> None:
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "from trading_platform.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "runs"],
        env={**os.environ, "TP_HOME": str(real_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("E616 ")
    assert "Traceback" not in done.stderr


def test_u5_instruments_that_cannot_be_written_are_e617(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (real_home / "instruments.toml").read_bytes()

    def refuse(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    called = call("instruments", "activate", "ES", home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code) == (1, "E617")
    assert (real_home / "instruments.toml").read_bytes() == before


def test_u6_a_misspelt_name_in_dotenv_is_warned_of(real_home: Path, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TP_SIERA_DIR=/data\n")
    assert "warning: TP_SIERA_DIR is set" in call("runs", home=real_home).err


def test_u5_init_with_a_missing_data_folder_is_e163_and_creates_nothing(elsewhere: Path, tmp_path: Path) -> None:
    called = call("init", "--sierra-dir", tmp_path / "nowhere")
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E163")
    assert listing(elsewhere) == {}


def test_u5_init_with_an_unknown_instrument_is_e120_and_creates_nothing(elsewhere: Path) -> None:
    called = call("init", "--instruments", "MNQ,NOPE", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "E120"
    assert listing(elsewhere) == {}


def test_u1_init_on_a_demo_home_is_e104(tmp_path: Path) -> None:
    create_home(tmp_path / "home", demo=True)
    called = call("init", "--home", tmp_path / "home")
    assert called.error is not None
    assert called.error.code == "E104"


def test_u5_a_home_that_cannot_be_created_is_e173(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    called = call("init", "--home", tmp_path / "file" / "home")
    assert called.error is not None
    assert called.error.code == "E173"
    assert called.error.next_command == f"tp init --home {Path.home() / 'tp-home'}"


def test_u6_config_tells_value_and_origin(
    elsewhere: Path, real_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text(f"TP_SIERRA_DIR={tmp_path}\nTP_LOG_LEVL=INFO\n")
    monkeypatch.setenv("TP_LOG_LEVEL", "ERROR")
    called = call("config", "--json", home=real_home)
    assert called.code == 0
    origins = {row["setting"]: (row["value"], row["from"]) for row in called.json["settings"]}
    assert {name: origins[name] for name in ("TP_HOME", "TP_SIERRA_DIR", "TP_LOG_LEVEL")} == {
        "TP_HOME": (str(real_home), "environment"),
        "TP_SIERRA_DIR": (str(tmp_path), ".env"),
        "TP_LOG_LEVEL": ("ERROR", "environment"),
    }
    assert called.json["unknown"] == ["TP_LOG_LEVL"]
    assert called.json["legacy_names"]["SCID_DIR"] == "TP_SIERRA_DIR"
    assert {row["path"]: row["exists"] for row in called.json["layout"]}[str(real_home / "instruments.toml")] is True


def test_u6_config_prints_tables_and_warns_of_misspelt_names(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TP_SIERA_DIR=x\n")
    called = call("config")
    assert called.code == 0
    assert "SIERRA_CHART_DATA_DIR" in called.out
    assert "TP_SIERA_DIR is set, but no setting has that name" in called.err
    assert "E102" in called.err


def test_u6_config_works_while_a_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_LOG_LEVEL", "loud")
    called = call("config", "--json")
    assert called.code == 2
    assert called.json["problem"]["code"] == "E101"
    assert {row["setting"]: row["value"] for row in called.json["settings"]}["TP_LOG_LEVEL"] == "loud"


def test_u6_a_home_above_is_found_from_a_folder_below(elsewhere: Path) -> None:
    create_home(elsewhere / ".tp", sierra_dir=elsewhere)
    called = call("config", "--json")
    rows = {row["setting"]: (row["value"], row["from"]) for row in called.json["settings"]}
    assert rows["TP_HOME"] == (str(elsewhere / ".tp"), "nearest .tp/ upwards")
    assert rows["TP_SIERRA_DIR"] == (str(elsewhere), "home (tp init --sierra-dir)")


def test_s2_instruments_list_works_without_a_home() -> None:
    rows = {row["symbol"]: row for row in call("instruments", "list", "--json").json}
    assert (rows["RTY"]["multiplier_usd"], rows["RTY"]["active"]) == (50.0, False)


def test_s2_instruments_show_flattens_everything() -> None:
    called = call("instruments", "show", "MNQ")
    assert called.code == 0
    assert "sierra.price_scales.fut" in called.out
    assert call("instruments", "show", "MNQ", "--json").json["sierra"]["price_scales"]["fut"] == 0.01


def test_s2_activate_adds_once_and_keeps_comments(real_home: Path) -> None:
    called = call("instruments", "activate", "ES", "--json", home=real_home)
    assert called.json["active"] == ["MNQ", "ES"]
    text = (real_home / "instruments.toml").read_text()
    assert text == '# mine\nactive = ["MNQ", "ES"]\n'
    again = call("instruments", "activate", "ES", home=real_home)
    assert "nothing to change" in again.out
    assert (real_home / "instruments.toml").read_text() == text


def test_u2_activate_dry_run_prints_the_difference_and_changes_nothing(real_home: Path) -> None:
    before = listing(real_home)
    called = call("instruments", "activate", "ES", "--dry-run", home=real_home)
    assert '+active = ["MNQ", "ES"]' in called.out
    assert listing(real_home) == before


def test_s2_set_changes_scale_and_style(real_home: Path) -> None:
    called = call(
        "instruments", "set", "MNQ", "--price-scale", "1", "--style", "dot", "--sierra-style", "dash", home=real_home
    )
    assert called.code == 0
    shown = call("instruments", "show", "MNQ", "--json", home=real_home).json["sierra"]
    assert (shown["price_scales"]["dot"], shown["price_scales"]["fut"]) == (1.0, 0.01)
    assert shown["preferred_style"] == "dash"


def test_s2_set_refuses_a_scale_that_is_not_above_zero_and_keeps_the_file(real_home: Path) -> None:
    before = (real_home / "instruments.toml").read_bytes()
    called = call("instruments", "set", "MNQ", "--price-scale", "0", home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E123")
    assert (real_home / "instruments.toml").read_bytes() == before
    assert sorted(path.name for path in real_home.glob("*.toml")) == ["instruments.toml"]


def test_u5_set_without_a_value_is_e168(real_home: Path) -> None:
    called = call("instruments", "set", "MNQ", "--style", "fut", home=real_home)
    assert called.error is not None
    assert called.error.code == "E168"


def test_s3_rolls_show_lists_windows_with_their_rule(real_home: Path) -> None:
    (real_home / "rolls.csv").write_text("root,contract,first_trade_date\nMNQ,MNQM25,2025-03-14\n")
    rows = call("rolls", "show", "MNQ", "--from", "2025-03-03", "--to", "2025-03-31", "--json", home=real_home).json
    assert rows == [
        {"contract": "MNQH25", "first_trade_date": "2024-12-16", "last_date": "2025-03-13", "rule": "calendar"},
        {"contract": "MNQM25", "first_trade_date": "2025-03-14", "last_date": "2025-06-15", "rule": "explicit"},
    ]


def test_u5_a_range_that_runs_backwards_is_e162() -> None:
    called = call("rolls", "show", "MNQ", "--from", "2025-03-31", "--to", "2025-03-03")
    assert called.error is not None
    assert called.error.code == "E162"
    assert called.error.next_command == "tp rolls show MNQ --from 2025-03-03 --to 2025-03-31"


@pytest.mark.parametrize("marker", ["", "[]", None])
def test_u6_init_repairs_a_home_whose_marker_is_damaged_or_gone(real_home: Path, marker: str | None) -> None:
    (real_home / "home.json").unlink()
    if marker is not None:
        (real_home / "home.json").write_text(marker)
    failed = call("instruments", "activate", "ES", home=real_home)
    assert failed.error is not None
    assert failed.error.code == "E103"
    preview = listing(real_home)
    assert call("init", "--home", real_home, "--dry-run").code == 0
    assert listing(real_home) == preview
    program, *arguments = shlex.split(failed.error.next_command)
    assert (program, call(*arguments).code) == ("tp", 0)
    assert call("instruments", "activate", "ES", "--json", home=real_home).json["active"] == ["MNQ", "ES"]


def test_u1_init_does_not_turn_a_demo_with_a_damaged_marker_into_a_real_home(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home", demo=True)
    home.demo_manifest.parent.mkdir()
    home.demo_manifest.write_text("{}")
    (home.path / "home.json").write_text("{")
    for option in ((), ("--dry-run",)):
        called = call("init", "--home", home.path, *option)
        assert called.error is not None
        assert called.error.code == "E104"
    assert (home.path / "home.json").read_text() == "{"


def test_u6_an_empty_tp_home_counts_as_not_set(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_home(elsewhere / ".tp")
    (elsewhere / ".env").write_text("TP_HOME=\n")
    rows = {row["setting"]: (row["value"], row["from"]) for row in call("config", "--json").json["settings"]}
    assert rows["TP_HOME"] == (str(elsewhere / ".tp"), "nearest .tp/ upwards")


def test_u6_a_tilde_works_in_options_and_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call("init", "--home", "~/trading", "--instruments", "MNQ").code == 0
    assert open_home(tmp_path / "trading").path == tmp_path / "trading"
    assert call("config", "--json", home=Path("~/trading")).json["home"]["path"] == str(tmp_path / "trading")
    called = call("init", "--home", "~nobody-of-that-name/x")
    assert called.error is not None
    assert called.error.code == "E101"


def test_s3_today_is_the_trade_date_that_has_opened_not_the_date_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    # 17:30 in Chicago: the session of the next day has opened. MNQ rolls on 16 December 2024 and 15 December 2025.
    for module, day in (("instruments", 14), ("rolls", 15)):
        clock = FixedClock(datetime(2025, 12, day, 23, 30, tzinfo=UTC))
        monkeypatch.setattr(f"trading_platform.cli.commands.{module}.SystemClock", lambda clock=clock: clock)
    assert call("instruments", "show", "MNQ", "--json").json["front_contract_today"] == "MNQH26"
    assert call("rolls", "show", "MNQ", "--json").json[0]["contract"] == "MNQH25"
