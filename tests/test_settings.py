"""Settings from the environment, and the rules of the home folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from trading_platform.errors import ConfigurationError, command
from trading_platform.home import create_home, find_home, open_home
from trading_platform.settings import load_settings, unknown_settings


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without any setting, in an empty folder."""
    for name in ("TP_HOME", "TP_SIERRA_DIR", "TP_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_u6_environment_wins_over_dotenv_and_dotenv_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().log_level == "WARNING"
    (tmp_path / ".env").write_text("TP_LOG_LEVEL=INFO\n")
    assert load_settings().log_level == "INFO"
    monkeypatch.setenv("TP_LOG_LEVEL", "ERROR")
    assert load_settings().log_level == "ERROR"


def test_u6_a_value_of_the_wrong_type_is_e101_and_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match=r"TP_LOG_LEVEL.*'loud'") as raised:
        load_settings()
    assert raised.value.code == "E101"


def test_u6_a_gamma_limit_that_is_stricter_outside_regular_hours_is_e101(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_GEX_STALE_AFTER_MS", "5000")
    monkeypatch.setenv("TP_GEX_STALE_OUTSIDE_MS", "5000")
    assert load_settings().gex_stale_outside_ms == 5_000
    monkeypatch.setenv("TP_GEX_STALE_OUTSIDE_MS", "4999")
    with pytest.raises(ConfigurationError, match=r"TP_GEX_STALE_OUTSIDE_MS.*at least TP_GEX_STALE_AFTER_MS") as raised:
        load_settings()
    assert raised.value.code == "E101"


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("https://hist.databento.com", True),
        (" https://hist.databento.com/ ", True),
        ("https://127.0.0.1:8443/x", True),
        ("http://127.0.0.1:8080", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:8080", True),
        ("http://localhost:8080", True),
        ("http://hist.databento.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("ftp://localhost", False),
        ("hist.databento.com", False),
        ("https://", False),
        ("https://[::1", False),
        (" ", False),
    ],
)
def test_u6_key_leaves_this_machine_encrypted_only(
    monkeypatch: pytest.MonkeyPatch, address: str, *, accepted: bool
) -> None:
    monkeypatch.setenv("TP_DATABENTO_GATEWAY", address)
    if accepted:
        assert load_settings().databento_gateway == address.strip()
        return
    with pytest.raises(ConfigurationError, match="TP_DATABENTO_GATEWAY") as raised:
        load_settings()
    assert raised.value.code == "E101"


def test_u6_the_key_of_the_feed_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_GEX_API_KEY", "s3cret")
    settings = load_settings()
    assert "s3cret" not in repr(settings)
    assert settings.gex_api_key is not None
    assert settings.gex_api_key.get_secret_value() == "s3cret"


def test_u6_misspelt_variables_are_named() -> None:
    assert unknown_settings({"TP_HOME": "x", "TP_SIERA_DIR": "y", "PATH": "z"}) == ("TP_SIERA_DIR",)


def test_u6_the_nearest_home_upwards_is_found(tmp_path: Path) -> None:
    made = create_home(tmp_path / ".tp")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_home(load_settings(), below).path == made.path


def test_u6_no_home_is_e102_and_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find_home(load_settings(), tmp_path)
    assert raised.value.code == "E102"
    assert raised.value.next_command.startswith("tp init")


def test_u6_tp_home_that_is_no_home_is_e103(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError) as raised:
        find_home(load_settings())
    assert raised.value.code == "E103"


def test_u6_a_damaged_marker_is_e103(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home")
    (home.path / "home.json").write_text("{")
    with pytest.raises(ConfigurationError) as raised:
        open_home(home.path)
    assert raised.value.code == "E103"


@pytest.mark.parametrize("demo_first", [True, False])
def test_u1_synthetic_and_real_data_never_share_a_home_e104(tmp_path: Path, demo_first: bool) -> None:  # noqa: FBT001
    create_home(tmp_path / "home", demo=demo_first)
    before = (tmp_path / "home" / "home.json").read_bytes()
    with pytest.raises(ConfigurationError) as raised:
        create_home(tmp_path / "home", demo=not demo_first)
    assert raised.value.code == "E104"
    assert (tmp_path / "home" / "home.json").read_bytes() == before


def test_u6_creating_a_home_again_keeps_its_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "Data"
    data.mkdir()
    create_home(tmp_path / "home", sierra_dir=data)
    assert create_home(tmp_path / "home").sierra_dir == data.resolve()


@pytest.mark.parametrize("marker", [b"{", b"[]", b"\xff\xfe{}", b'{"sierra_dir": 5}', b'{"demo": "no"}', None])
def test_u6_a_damaged_or_absent_marker_is_e103_and_its_next_command_repairs_it(
    tmp_path: Path, marker: bytes | None
) -> None:
    home = create_home(tmp_path / "my home")
    (home.lake_dir / "ticks").mkdir()
    path = home.path / "home.json"
    path.unlink()
    if marker is not None:
        path.write_bytes(marker)
    with pytest.raises(ConfigurationError) as raised:
        open_home(home.path)
    assert raised.value.code == "E103"
    assert raised.value.next_command == f"tp init --home '{home.path}'"
    create_home(home.path)
    assert open_home(home.path) == home


def test_u1_a_damaged_marker_does_not_let_real_and_synthetic_data_mix(tmp_path: Path) -> None:
    real, demo = create_home(tmp_path / "real"), create_home(tmp_path / "demo", demo=True)
    (real.lake_dir / "ticks").mkdir()
    demo.demo_manifest.parent.mkdir()
    demo.demo_manifest.write_text("{}")
    for home in (real, demo):
        (home.path / "home.json").write_text("")
        with pytest.raises(ConfigurationError) as raised:
            create_home(home.path, demo=not home.is_demo)
        assert raised.value.code == "E104"
        assert (home.path / "home.json").read_text() == ""
    with pytest.raises(ConfigurationError) as raised:
        open_home(demo.path)
    assert raised.value.next_command == f"tp demo --home {demo.path}"
    assert create_home(demo.path, demo=True).is_demo


def test_u6_a_marker_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = create_home(tmp_path / "home")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        create_home(home.path, sierra_dir=tmp_path)
    assert open_home(home.path) == home
    assert sorted(path.name for path in home.path.iterdir()) == ["cache", "dagster", "home.json", "lake"]


def test_u6_a_tilde_is_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = create_home(tmp_path / "trading")
    (tmp_path / ".env").write_text("TP_SIERRA_DIR=~/Data\n")
    monkeypatch.setenv("TP_HOME", "~/trading")
    settings = load_settings()
    assert (settings.home, settings.sierra_dir) == (tmp_path / "trading", tmp_path / "Data")
    assert find_home(settings) == made
    monkeypatch.setenv("TP_HOME", "~nobody-of-that-name/trading")
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert raised.value.code == "E101"


def test_u6_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TP_HOME", "TP_SIERRA_DIR", "TP_LOG_LEVEL"):
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert (settings.home, settings.sierra_dir, settings.log_level) == (None, None, "WARNING")


def test_u5_next_commands_survive_a_shell() -> None:
    assert command("tp", "backfill", "MNQ/*", "--day", date(2025, 3, 14)) == "tp backfill 'MNQ/*' --day 2025-03-14"
    assert command("tp", "init", "--home", Path("/my home")) == "tp init --home '/my home'"


def test_u6_misspelt_names_in_dotenv_are_named_like_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("TP_SIERA_DIR=/data\ntp_hom=x\ntp_log_level=INFO\nOTHER=1\n")
    monkeypatch.setenv("TP_LOGLEVEL", "INFO")
    assert unknown_settings() == ("TP_LOGLEVEL", "TP_SIERA_DIR", "tp_hom")


def test_u6_the_key_of_the_vendor_is_read_under_its_own_name_only_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    monkeypatch.setenv("TP_DATABENTO_API_KEY", "db-misspelt")
    assert load_settings().databento_api_key is None
    assert unknown_settings() == ("TP_DATABENTO_API_KEY",)
    (tmp_path / ".env").write_text("DATABENTO_API_KEY=db-of-the-file\n")
    key = load_settings().databento_api_key
    assert key is not None
    assert key.get_secret_value() == "db-of-the-file"
    assert "db-of" not in repr(load_settings()) + str(load_settings())
    assert load_settings(databento_api_key="db-given").databento_api_key != key


@pytest.mark.parametrize(
    "name",
    [
        *("GEX_LATENCY_MS", "GEX_STALE_AFTER_MS", "GEX_STALE_OUTSIDE_MS", "CHAIN_CADENCE_S", "CHAIN_LATENCY_MS"),
        *("LIVE_INTERVAL_S", "WATCH_INTERVAL_S", "RETRY_PAUSE_S"),
        *("DATABENTO_RETRY_BASE_MS", "DATABENTO_RETRY_CAP_MS", "DATABENTO_TIMEOUT_S", "DATABENTO_BATCH_WAIT_S"),
    ],
)
@pytest.mark.parametrize("value", ["9223372036854775807", "99999999999999999999"])
def test_u5_times_that_no_clock_can_add_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TP_{name}", value)
    with pytest.raises(ConfigurationError, match=f"TP_{name}") as raised:
        load_settings()
    assert raised.value.code == "E101"
