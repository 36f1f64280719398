"""The packaged registry's values and the merge of the user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_platform.errors import ConfigurationError
from trading_platform.instruments import Contract, InstrumentKind, Registry, load_registry

REGISTRY = load_registry()

# symbol, exchange, tick size, multiplier, value of one tick in USD, months: contract specification pages of CME Group
FUTURES = [
    ("ES", "CME", 0.25, 50.0, 12.50, "HMUZ"),
    ("MES", "CME", 0.25, 5.0, 1.25, "HMUZ"),
    ("NQ", "CME", 0.25, 20.0, 5.00, "HMUZ"),
    ("MNQ", "CME", 0.25, 2.0, 0.50, "HMUZ"),
    ("RTY", "CME", 0.10, 50.0, 5.00, "HMUZ"),
    ("M2K", "CME", 0.10, 5.0, 0.50, "HMUZ"),
    ("YM", "CBOT", 1.0, 5.0, 5.00, "HMUZ"),
    ("MYM", "CBOT", 1.0, 0.5, 0.50, "HMUZ"),
    ("CL", "NYMEX", 0.01, 1000.0, 10.00, "FGHJKMNQUVXZ"),
    ("GC", "COMEX", 0.10, 100.0, 10.00, "GJMQVZ"),
    ("ZN", "CBOT", 1 / 64, 1000.0, 15.625, "HMUZ"),
    ("6E", "CME", 0.00005, 125000.0, 6.25, "HMUZ"),
]


@pytest.mark.parametrize(("symbol", "exchange", "tick_size", "multiplier", "tick_value", "months"), FUTURES)
def test_s2_future_has_the_exchanges_values(
    symbol: str, exchange: str, tick_size: float, multiplier: float, tick_value: float, months: str
) -> None:
    future = REGISTRY.get(symbol)

    assert (future.kind, future.exchange, future.months) == (InstrumentKind.FUTURE, exchange, months)
    assert (future.tick_size, future.multiplier_usd) == (tick_size, multiplier)
    assert future.tick_size * future.multiplier_usd == pytest.approx(tick_value)
    assert future.sierra is not None
    assert set(future.sierra.price_scales) == {"fut", "dash", "dot", "bare"}
    assert future.databento is not None
    assert (future.databento.dataset, future.databento.symbol) == ("GLBX.MDP3", f"{symbol}.FUT")
    assert future.ib is not None
    assert (future.ib.security_type, future.ib.exchange) == ("FUT", exchange)


def test_s2_registry_holds_exactly_the_instruments_of_the_platform() -> None:
    cash = {"SPX": "index", "NDX": "index", "NQ_NDX": "vendor_series", "ES_SPX": "vendor_series"}
    cash |= {"SPY": "equity", "QQQ": "equity", "IWM": "equity"}

    kinds = {symbol: instrument.kind.value for symbol, instrument in REGISTRY.instruments.items()}

    assert kinds == {row[0]: "future" for row in FUTURES} | cash
    assert REGISTRY.active == ()


def test_s2_gamma_underlyings() -> None:
    underlying = {
        symbol: i.gex_underlying for symbol, i in REGISTRY.instruments.items() if i.gex_underlying is not None
    }

    assert underlying == {
        "ES": "ES_SPX", "MES": "ES_SPX", "ES_SPX": "ES_SPX", "NQ": "NQ_NDX", "MNQ": "NQ_NDX", "NQ_NDX": "NQ_NDX",
        "SPX": "SPX", "NDX": "NDX", "SPY": "SPY", "QQQ": "QQQ", "IWM": "IWM",
    }  # fmt: skip
    assert set(underlying.values()) <= set(REGISTRY.instruments)


def test_b3_the_chains_of_a_future_are_those_of_its_index() -> None:
    chains = {
        symbol: i.chain_underlying for symbol, i in REGISTRY.instruments.items() if i.chain_underlying is not None
    }
    assert chains == {"ES": "SPX", "MES": "SPX", "NQ": "NDX", "MNQ": "NDX"}
    assert all(REGISTRY.get(symbol).has_chains for symbol in chains.values())
    assert [symbol for symbol, i in REGISTRY.instruments.items() if i.has_own_gamma and not i.has_chains] == [
        "NQ_NDX",
        "ES_SPX",
    ]


def test_b3_chains_count_where_their_index_has_assets(tmp_path: Path) -> None:
    alone = load_registry(write(tmp_path, 'active = ["MNQ", "ES", "SPX"]\n'))
    assert alone.chains_of(alone.get("MNQ")) is None
    assert alone.chains_of(alone.get("ES")) is alone.get("SPX")
    gamma = {symbol: alone.gamma_of(alone.get(symbol)) for symbol in ("MNQ", "SPX", "CL")}
    assert {symbol: i and i.symbol for symbol, i in gamma.items()} == {"MNQ": "NQ_NDX", "SPX": "SPX", "CL": None}
    other = load_registry(write(tmp_path, 'active = ["SPX"]\n[instruments.CL]\nchain_underlying = "ES_SPX"\n'))
    assert other.chains_of(other.get("CL")) is None


def test_s2_only_crude_oil_may_trade_below_zero() -> None:
    assert [symbol for symbol, i in REGISTRY.instruments.items() if i.allows_negative] == ["CL"]


def test_s2_euro_is_called_eur_at_interactive_brokers() -> None:
    euro = REGISTRY.get("6E").ib

    assert euro is not None
    assert euro.symbol == "EUR"


# One price of 2025 and one of the lowest since 2000 per root; stored x 100 or / 100 both must fall outside the band.
@pytest.mark.parametrize(
    ("symbol", "prices"),
    [
        ("ES", (6423.5, 680.0)), ("NQ", (25742.75, 810.0)), ("RTY", (2450.0, 345.0)), ("YM", (46500.0, 6500.0)),
        ("CL", (62.0, 11.0)), ("GC", (4100.0, 255.0)), ("ZN", (112.5, 95.0)), ("6E", (1.16, 0.83)), ("SPY", (640.0, 68.0)),
    ],
)  # fmt: skip
def test_t4_price_band_tells_a_scale_of_100(symbol: str, prices: tuple[float, ...]) -> None:
    low, high = REGISTRY.get(symbol).price_band

    for price in prices:
        assert low <= price <= high
        assert not low <= price * 100 <= high
        assert not low <= price / 100 <= high


def test_t4_files_of_the_fut_style_hold_hundredfold_index_prices() -> None:
    for symbol, stored, points in [("ES", 642350.0, 6423.5), ("MNQ", 2574275.0, 25742.75)]:
        sierra = REGISTRY.get(symbol).sierra
        assert sierra is not None
        assert stored * sierra.price_scales["fut"] == pytest.approx(points)
        assert sierra.price_scales["dash"] == sierra.price_scales["bare"] == 1.0


def write(folder: Path, text: str) -> Path:
    path = folder / "instruments.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_s2_user_file_overrides_single_values_and_names_the_active(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'active = ["MNQ", "ES"]\npreferred_style = "dot"\n'
        "[instruments.MNQ.sierra.price_scales]\nfut = 1.0\n[instruments.ES]\nprice_band = [1000, 9000]\n"
        '[instruments.ES.sierra]\npreferred_style = "dash"\n',
    )

    registry = load_registry(path)
    mnq, es = registry.get("MNQ"), registry.get("ES")

    assert [i.symbol for i in registry.active] == ["MNQ", "ES"]
    assert mnq.sierra is not None
    assert dict(mnq.sierra.price_scales) == {"fut": 1.0, "dash": 1.0, "dot": 0.01, "bare": 1.0}
    assert mnq.sierra.preferred_style == "dot"
    assert es.sierra is not None
    assert es.sierra.preferred_style == "dash"
    assert es.price_band == (1000.0, 9000.0)
    assert es.multiplier_usd == 50.0
    assert REGISTRY.get("ES").price_band == (300.0, 30000.0), "the packaged registry must not change"


def test_s2_user_file_may_define_a_new_future(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'active = ["MGC"]\n[instruments.MGC]\nname = "Micro Gold"\nkind = "future"\nexchange = "COMEX"\ncalendar = "CME_METALS"\n'
        'tick_size = 0.1\nmultiplier_usd = 10\nmonths = "GJMQVZ"\nprice_band = [100, 9900]\n'
        'roll = { anchor = "last_weekday_of_previous_month", weekdays_before = 3 }\n',
    )

    micro_gold = load_registry(path).active[0]

    assert (micro_gold.symbol, micro_gold.multiplier_usd, micro_gold.allows_negative) == ("MGC", 10.0, False)


def test_s2_missing_user_file_means_nothing_is_active(tmp_path: Path) -> None:
    assert load_registry(tmp_path / "instruments.toml").active == ()


def test_s2_unknown_symbol_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"E120 unknown instrument 'MNG'; did you mean MNQ"):
        REGISTRY.get("MNG")


def test_s2_unknown_active_symbol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="E120 unknown instrument 'XYZ'"):
        load_registry(write(tmp_path, 'active = ["XYZ"]\n'))


@pytest.mark.parametrize("content", [b"active = [", b"\xff\xfe\x00"])
def test_s2_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "instruments.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"E121 cannot read instruments\.toml"):
        load_registry(path)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('actve = ["ES"]', "'actve' in instruments.toml; did you mean active"),
        ("[instruments.MNQ]\ntick = 0.25", "'tick' in instruments.toml .instruments.MNQ.; did you mean tick_size"),
        ("[instruments.MNQ.sierra]\nprice_scale = 1.0", "'price_scale' in instruments.toml .instruments.MNQ..sierra"),
        ("[instruments.MNQ.sierra.price_scales]\nfutt = 1.0", "'futt' in .*price_scales; did you mean fut"),
        ("[instruments.MNQ.roll]\nday = 1", "'day' in .*roll"),
        ("[instruments.MNQ.databento]\nparent = 'x'", "'parent' in .*databento"),
        ("[instruments.MNQ.ib]\nconid = 1", "'conid' in .*ib"),
    ],
)
def test_s2_unknown_key_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"E122 unknown key {key}"):
        load_registry(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("active = 'ES'", "active"),
        ("active = ['ES', 'ES']", "active"),
        ("preferred_style = 'futures'", "preferred_style"),
        ("instruments = 1", "instruments"),
        ("[instruments]\nMNQ = 1", "instruments.MNQ"),
        ("[instruments.MNQ]\ntick_size = 0", "tick_size"),
        ("[instruments.MNQ]\ntick_size = '0.25'", "tick_size"),
        ("[instruments.MNQ]\ntick_size = true", "tick_size"),
        ("[instruments.MNQ]\nmultiplier_usd = nan", "multiplier_usd"),
        ("[instruments.MNQ]\nprice_band = [5, 1]", "price_band"),
        ("[instruments.MNQ]\nmonths = 'ZUMH'", "months"),
        ("[instruments.MNQ]\nkind = 'futures'", "kind"),
        ("[instruments.MNQ]\nname = ''", "name"),
        ("[instruments.MNQ]\nallows_negative = 1", "allows_negative"),
        ("[instruments.MNQ]\nsierra = 1", "sierra"),
        ("[instruments.MNQ.roll]\nweekdays_before = -1", "weekdays_before"),
        ("[instruments.MNQ.roll]\nanchor = 'monday'", "anchor"),
        ("[instruments.MNQ.roll]\nskip = 'VH'", "skip"),
        ("[instruments.MNQ.roll]\nskip = 'HMUZ'", "skip"),
        ("[instruments.MNQ.sierra.price_scales]\nfut = 0", "fut"),
        ("[instruments.MNQ.sierra]\npreferred_style = 'x'", "preferred_style"),
        ("[instruments.MNQ.ib]\nsecurity_type = 'OPT'", "security_type"),
    ],
)
def test_s2_wrong_value_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match="E123") as caught:
        load_registry(write(tmp_path, text))

    assert key in caught.value.what
    assert "instruments.toml" in caught.value.what


def test_s2_incomplete_new_instrument_says_what_lacks_and_what_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"E124 .*MNG.* lacks name, kind, .*did you mean MNQ"):
        load_registry(write(tmp_path, "[instruments.MNG]\ntick_size = 0.25\n"))


def test_s2_new_future_needs_months_and_roll(tmp_path: Path) -> None:
    text = '[instruments.XX]\nname = "X"\nkind = "future"\nexchange = "X"\ncalendar = "NYSE"\n'

    with pytest.raises(ConfigurationError, match=r"E124 .* lacks months, roll"):
        load_registry(write(tmp_path, f"{text}tick_size = 1\nmultiplier_usd = 1\nprice_band = [1, 2]\n"))


def test_s2_a_symbol_in_other_capitals_is_understood_where_it_leaves_no_doubt() -> None:
    assert (REGISTRY.spelled("mnq"), REGISTRY.spelled("MNQ"), REGISTRY.spelled("nope")) == ("MNQ", "MNQ", "nope")
    two = Registry({"MNQ": REGISTRY.get("MNQ"), "Mnq": REGISTRY.get("MNQ")})
    assert (two.spelled("mnq"), two.spelled("Mnq")) == ("mnq", "Mnq")
    assert Contract.parse("mnqz25") == Contract.parse("MNQZ25")


def test_s2_what_describes_the_gamma_of_an_active_future_gets_assets_with_it(tmp_path: Path) -> None:
    path = write(tmp_path, 'active = ["SPX", "MNQ", "NQ", "CL"]\n[instruments.CL]\ngex_underlying = "SPX"\n')
    registry = load_registry(path)
    assert [i.symbol for i in registry.with_assets] == ["SPX", "MNQ", "NQ", "CL", "NQ_NDX"]
    assert load_registry(None).with_assets == ()
