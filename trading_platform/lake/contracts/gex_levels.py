"""Models of ``gex_levels`` and ``gex_profile``: what gamma exposure an option chain shows.

Belongs here: columns, units, encodings and row rules. Does not belong here: how the numbers are made (``trading_platform.gex``).

Signs: the prefix ``naive_`` marks numbers that assume dealers long all calls and short all puts, with own greeks from the volatilities of
the source and rates 0, as public studies do it; ``vendor_`` marks the same sums with the greeks of the source; ``forward_`` those priced on
the parity forward of each expiry with volatilities from quotes, and from the source where quotes give none. The flag
``flip_side_disagrees`` says that ``naive_`` and ``forward_`` see spot on different sides of zero gamma, or nets of different signs: then
the sign of the net says no more than which volatilities were taken.

Null is unknown; 0 was computed and is zero. A line without contracts adds 0; a sum of which no line is known is null. A list is stored as
JSON text, because a contract holds no list columns.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, within

_KINDS: Final = ("strike", "level", "expiry")
_WALL_SIDES: Final = ("call", "put", "both")
_MOST: Final = 2**40


def _usd(description: str) -> Any:
    return column("USD per 1 %", description, SPLIT, nullable=True)


def _price(description: str) -> Any:
    return column("points", description, SPLIT, nullable=True)


def _share(description: str) -> Any:
    return column("-", description, SPLIT, nullable=True)


def _per_point(description: str) -> Any:
    return column("million USD per 1 % and point", description, SPLIT, nullable=True)


def _vex(description: str) -> Any:
    return column("USD per volatility point", description, SPLIT, nullable=True)


def _chex(description: str) -> Any:
    return column("USD per calendar day", description, SPLIT, nullable=True)


def _count(description: str) -> Any:
    return column("-", description, DELTA)


def _contracts(description: str) -> Any:
    return column("contracts", description, DELTA, nullable=True)


class GexLevels(ContractModel):
    """One row per snapshot of a chain and source."""

    observed_at: Annotated[pl.Datetime, "us", "UTC"] = column("us UTC", "Time of the snapshot", DELTA)
    source: pl.Categorical = column("-", "Source of the chain, e.g. cboe", DICTIONARY)
    market_date: pl.Date = column("-", "The latest session that had opened; its prices are shown", DELTA)
    spot: pl.Float64 = column("points", "Price of the underlying in the snapshot", SPLIT)
    spot_source: pl.Categorical = column("-", "chain: the price that the chain itself carries", DICTIONARY)
    oi_asof: pl.Date = column(
        "-",
        "The session after which the open interest was counted; null where the source does not say or its lines do not agree",
        DELTA,
        nullable=True,
    )
    is_repeat: pl.Boolean = column(
        "-", "True if quotes and open interest are those of the snapshot before it on all common contracts", PLAIN
    )
    rows_in: pl.Int32 = _count("Rows of the quote table: distinct root, expiry and strike, each with a call and a put")
    rows_live: pl.Int32 = _count("Rows that had not settled")
    rows_settled: pl.Int32 = _count("Rows whose series had settled at the time of the snapshot; they count nowhere")
    lines_in: pl.Int32 = _count("Contract lines, calls and puts apart")
    lines_live: pl.Int32 = _count("Contract lines that had not settled, each contract once")
    expiries: pl.Int32 = _count("Live expiries; AM and PM series of a date are two")
    iv_zero_n: pl.Int32 = _count(
        "Live lines with open interest and without a volatility in the source; not in naive_ sums"
    )
    iv_reimplied_n: pl.Int32 = _count(
        "Those of iv_zero_n whose volatility follows from their quotes; in forward_ sums only"
    )
    gamma_zero_n: pl.Int32 = _count("Live lines with open interest and vendor gamma 0")
    crossed_n: pl.Int32 = _count("Live lines with a bid above the ask")
    bid_zero_n: pl.Int32 = _count("Live lines that nobody bids for, or whose bid is unknown")
    duplicated_n: pl.Int32 = _count("Repeated lines of a contract; the first one counts")
    open_interest_unknown_n: pl.Int32 = _count("Live lines without a number for open interest")
    volume_unknown_n: pl.Int32 = _count("Live lines without a number for volume; not in sums of volume")
    oi_unknown_call_pct: pl.Float64 = column(
        "%",
        "Share of live call lines whose open interest is unknown, so that sums of calls are too small; null without live calls",
        SPLIT,
        nullable=True,
    )
    oi_unknown_put_pct: pl.Float64 = column("%", "The same of live put lines", SPLIT, nullable=True)
    oi_dropped_pct: pl.Float64 = column(
        "%",
        "Share of open interest that is in no naive_ sum, because the source has no volatility there; null without open interest",
        SPLIT,
        nullable=True,
    )
    oi_dropped_call_pct: pl.Float64 = column(
        "%", "The same of the open interest of calls; null without any", SPLIT, nullable=True
    )
    oi_dropped_put_pct: pl.Float64 = column(
        "%", "The same of the open interest of puts; null without any", SPLIT, nullable=True
    )
    greeks_source: pl.Categorical = column(
        "-", "own: from the volatilities of the source, rates and yields 0", DICTIONARY
    )
    clock: pl.Categorical = column("-", "act365: calendar time to settlement by 365 days, at least 60 s", DICTIONARY)
    sign_convention: pl.Categorical = column("-", "naive: dealers long calls, short puts", DICTIONARY)
    naive_gex_call_usd_per_1pct: pl.Float64 = _usd("Call side, own greeks; at least 0")
    naive_gex_put_usd_per_1pct: pl.Float64 = _usd("Put side, own greeks; at most 0")
    naive_gex_net_usd_per_1pct: pl.Float64 = _usd("Sum of both sides")
    naive_net_to_gross: pl.Float64 = _share("Net divided by the gross of both sides, -1 to 1")
    naive_gex_vol_call_usd_per_1pct: pl.Float64 = _usd("Call side with the volume of the day instead of open interest")
    naive_gex_vol_put_usd_per_1pct: pl.Float64 = _usd("Put side with the volume of the day instead of open interest")
    naive_zero_gamma: pl.Float64 = _price("Crossing of the re-priced profile nearest to spot; null if there is none")
    naive_zero_gamma_crossings: pl.String = column(
        "points",
        "All crossings, ascending, as a JSON list such as [4528.8, 4567.5]; in SQL: x::DOUBLE[]",
        PLAIN,
        nullable=True,
    )
    naive_n_crossings: pl.Int32 = column(
        "-", "Number of crossings within 20 % of spot; null if a side is unknown", DELTA, nullable=True
    )
    naive_call_wall: pl.Float64 = _price("Strike with the largest call side, own greeks")
    naive_call_wall_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_call_wall_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_put_wall: pl.Float64 = _price("Strike with the most negative put side, own greeks")
    naive_put_wall_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_put_wall_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_net_max_strike: pl.Float64 = _price("Strike with the largest sum of call and put side, own greeks")
    naive_net_max_strike_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_net_max_strike_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_net_min_strike: pl.Float64 = _price("Strike with the smallest sum of call and put side, own greeks")
    naive_net_min_strike_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_net_min_strike_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_abs_gamma_strike: pl.Float64 = _price(
        "Strike with the largest sum of call side and size of put side, own greeks"
    )
    naive_abs_gamma_strike_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_abs_gamma_strike_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_call_wall_band: pl.Float64 = _price("Like call_wall, within the band around spot, own greeks")
    naive_call_wall_band_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_call_wall_band_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_put_wall_band: pl.Float64 = _price("Like put_wall, within the band around spot, own greeks")
    naive_put_wall_band_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    naive_put_wall_band_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    naive_vex_call_usd_per_vol_point: pl.Float64 = _vex("Vanna exposure of calls, own greeks")
    naive_vex_put_usd_per_vol_point: pl.Float64 = _vex("Vanna exposure of puts, own greeks, with the naive sign")
    naive_chex_call_usd_per_day: pl.Float64 = _chex("Charm exposure of calls, own greeks")
    naive_chex_put_usd_per_day: pl.Float64 = _chex("Charm exposure of puts, own greeks, with the naive sign")
    naive_zero_gamma_slope_usd_per_1pct_per_point: pl.Float64 = column(
        "USD per 1 % and point", "Slope of the profile at naive_zero_gamma", SPLIT, nullable=True
    )
    naive_dist_to_flip_pct: pl.Float64 = column(
        "%", "Spot minus naive_zero_gamma, in percent of spot", SPLIT, nullable=True
    )
    naive_dist_to_flip_points: pl.Float64 = _price("Spot minus naive_zero_gamma; null without a crossing")
    naive_gex_normalised_musd_per_1pct_per_point: pl.Float64 = _per_point("naive_gex_net_usd_per_1pct / 1e6 / spot")
    naive_ramp_lower_strike: pl.Float64 = _price("The highest live strike at or below spot; null without one")
    naive_ramp_upper_strike: pl.Float64 = _price("The lowest live strike above spot; null without one")
    naive_gex_ramp_musd_per_1pct_per_point: pl.Float64 = _per_point(
        "Net at naive_ramp_upper_strike minus net at naive_ramp_lower_strike, over their distance; null if one is missing or unknown"
    )
    naive_nearest_wall: pl.Float64 = _price(
        "The nearer one of naive_call_wall_band and naive_put_wall_band, the lower of two equally near; null without one"
    )
    naive_nearest_wall_side: pl.Categorical = column(
        "-", "call, put, or both if one strike is both walls", DICTIONARY, nullable=True
    )
    naive_dist_to_nearest_wall_points: pl.Float64 = _price("Spot minus naive_nearest_wall")
    naive_dist_to_nearest_wall_pct: pl.Float64 = column(
        "%", "Spot minus naive_nearest_wall, in percent of spot", SPLIT, nullable=True
    )
    naive_compression_score: pl.Float64 = column(
        "0 to 100",
        "100 r / (1 + r), r = 0.5 ln(1 + |normalised|) + 0.3 ln(1 + |ramp|) + 0.2 ln(1 + 1 / max(|points to flip|, 1e-6)); null if one is "
        "null. Descriptive, no rule uses it; one symbol over time only",
        SPLIT,
        nullable=True,
    )
    naive_gex_0dte_call_usd_per_1pct: pl.Float64 = _usd(
        "Call side of series that expire on the Eastern date of the snapshot"
    )
    naive_gex_0dte_put_usd_per_1pct: pl.Float64 = _usd("Put side of the same")
    naive_gex_ex_0dte_call_usd_per_1pct: pl.Float64 = _usd("Call side of all other series")
    naive_gex_ex_0dte_put_usd_per_1pct: pl.Float64 = _usd("Put side of all other series")
    naive_zero_gamma_0dte: pl.Float64 = _price("Crossing nearest to spot of the series that expire this day")
    naive_zero_gamma_next: pl.Float64 = _price("Crossing nearest to spot of the next expiry date after this day")
    vendor_gex_call_usd_per_1pct: pl.Float64 = _usd("Call side, greeks of the source; at least 0")
    vendor_gex_put_usd_per_1pct: pl.Float64 = _usd("Put side, greeks of the source; at most 0")
    vendor_gex_net_usd_per_1pct: pl.Float64 = _usd("Sum of both sides")
    vendor_net_to_gross: pl.Float64 = _share("Net divided by the gross of both sides, -1 to 1")
    vendor_gex_vol_call_usd_per_1pct: pl.Float64 = _usd("Call side with the volume of the day instead of open interest")
    vendor_gex_vol_put_usd_per_1pct: pl.Float64 = _usd("Put side with the volume of the day instead of open interest")
    vendor_zero_gamma: pl.Float64 = _price(
        "Equal to naive_zero_gamma: gamma of the source holds at the spot only, so the profile is that of the source's volatilities"
    )
    vendor_zero_gamma_crossings: pl.String = column(
        "points", "Equal to naive_zero_gamma_crossings, for the same reason", PLAIN, nullable=True
    )
    vendor_n_crossings: pl.Int32 = column("-", "Equal to naive_n_crossings, for the same reason", DELTA, nullable=True)
    vendor_call_wall: pl.Float64 = _price("Strike with the largest call side, greeks of the source")
    vendor_call_wall_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_call_wall_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_put_wall: pl.Float64 = _price("Strike with the most negative put side, greeks of the source")
    vendor_put_wall_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_put_wall_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_net_max_strike: pl.Float64 = _price("Strike with the largest sum of call and put side, greeks of the source")
    vendor_net_max_strike_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_net_max_strike_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_net_min_strike: pl.Float64 = _price(
        "Strike with the smallest sum of call and put side, greeks of the source"
    )
    vendor_net_min_strike_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_net_min_strike_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_abs_gamma_strike: pl.Float64 = _price(
        "Strike with the largest sum of call side and size of put side, greeks of the source"
    )
    vendor_abs_gamma_strike_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_abs_gamma_strike_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_call_wall_band: pl.Float64 = _price("Like call_wall, within the band around spot, greeks of the source")
    vendor_call_wall_band_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_call_wall_band_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_put_wall_band: pl.Float64 = _price("Like put_wall, within the band around spot, greeks of the source")
    vendor_put_wall_band_usd_per_1pct: pl.Float64 = _usd("Exposure there")
    vendor_put_wall_band_share: pl.Float64 = _share(
        "Its size as share of its side, or of the gross of both sides for net and absolute values, 0 to 1"
    )
    vendor_gap_call_pct: pl.Float64 = column("%", "Own call side against that of the vendor", SPLIT, nullable=True)
    vendor_gap_put_pct: pl.Float64 = column("%", "Own put side against that of the vendor", SPLIT, nullable=True)
    forward_gex_call_usd_per_1pct: pl.Float64 = _usd(
        "Call side on the parity forward with volatilities from quotes of the side out of the money; naive sign"
    )
    forward_gex_put_usd_per_1pct: pl.Float64 = _usd("Put side of the same")
    forward_gex_net_usd_per_1pct: pl.Float64 = _usd("Sum of both")
    forward_net_to_gross: pl.Float64 = _share("Net divided by the gross of both sides of the same, -1 to 1")
    forward_zero_gamma: pl.Float64 = _price("Crossing nearest to spot of the same; compare flag flip_side_disagrees")
    forward_zero_gamma_crossings: pl.String = column(
        "points", "All crossings of the same, ascending, as a JSON list", PLAIN, nullable=True
    )
    forward_n_crossings: pl.Int32 = column(
        "-", "Number of crossings of the same within 20 % of spot", DELTA, nullable=True
    )
    forward_gex_0dte_call_usd_per_1pct: pl.Float64 = _usd(
        "Call side of the same, series that expire on the Eastern date of the snapshot"
    )
    forward_gex_0dte_put_usd_per_1pct: pl.Float64 = _usd("Put side of the same, these series")
    forward_oi_dropped_pct: pl.Float64 = column(
        "%",
        "Share of open interest that is in no forward_ sum, because neither quotes nor source give a volatility or the expiry has no "
        "forward; null without open interest or forward_ sums",
        SPLIT,
        nullable=True,
    )
    forward_iv_quotes_n: pl.Int32 = _count("Lines with open interest whose volatility follows from quotes")
    forward_iv_chain_n: pl.Int32 = _count("Lines with open interest that fall back to the volatility of the source")
    forward_expiries_missing_n: pl.Int32 = _count(
        "Live expiries without a usable forward; they are left out of forward_ sums"
    )
    forward_missing_oi_pct: pl.Float64 = column(
        "%",
        "Share of open interest in these expiries; above 5 % all forward_ sums are null (flag forward_missing); null without open interest",
        SPLIT,
        nullable=True,
    )
    forward_expiries_neighbour_n: pl.Int32 = _count(
        "Live expiries without a usable pair of quotes, whose forward follows from another expiry"
    )
    forward_neighbour_oi_pct: pl.Float64 = column(
        "%",
        "Share of open interest in these expiries; flag forward_of_neighbour above 5 %; null without open interest",
        SPLIT,
        nullable=True,
    )
    dex_usd: pl.Float64 = column(
        "USD", "Delta exposure with the delta of the source, no dealer sign", SPLIT, nullable=True
    )
    own_dex_usd: pl.Float64 = column("USD", "Delta exposure with own delta, no dealer sign", SPLIT, nullable=True)
    vex_usd_per_vol_point: pl.Float64 = _vex("Vanna exposure, own greeks, naive sign; sum of both sides")
    chex_usd_per_day: pl.Float64 = _chex("Charm exposure, own greeks, naive sign; sum of both sides")
    oi_call: pl.Int64 = _contracts("Open interest of live calls")
    oi_put: pl.Int64 = _contracts("Open interest of live puts")
    vol_call: pl.Int64 = _contracts("Volume of live calls")
    vol_put: pl.Int64 = _contracts("Volume of live puts")
    pcr_oi: pl.Float64 = _share("Open interest of puts divided by that of calls")
    atm_iv_30d: pl.Float64 = column(
        "per year", "Volatility at the forward, interpolated in total variance to 30 days", SPLIT, nullable=True
    )
    flags: pl.String = column("-", "What a reader should know, words joined by ';'; empty if nothing", PLAIN)
    input_sha256: pl.String = column("-", "Hash of contracts, quotes and open interest of the snapshot", PLAIN)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        numbers = [name for name, (annotation, _) in cls.__fields__.items() if annotation.arg is pl.Float64]
        wall_side = pl.col("naive_nearest_wall_side").cast(pl.String)
        sides: list[Rule] = []
        for prefix in ("naive", "vendor", "forward"):
            call, put, net = (pl.col(f"{prefix}_gex_{side}_usd_per_1pct") for side in ("call", "put", "net"))
            sides += [
                Rule(f"{prefix}_gex_call_usd_per_1pct", "at least 0", call >= 0),
                Rule(f"{prefix}_gex_put_usd_per_1pct", "at most 0", put <= 0),
                Rule(
                    f"{prefix}_gex_net_usd_per_1pct",
                    "the sum of both sides",
                    (net - call - put).abs() <= 1e-9 * (call - put) + 1e-3,
                ),
            ]
        shares = [name for name in numbers if name.endswith("_share")]
        return (
            *(finite(name) for name in numbers),
            *(Rule(name, "0 to 1", pl.col(name).is_between(0, 1 + 1e-9)) for name in shares),
            Rule("spot", "above 0", pl.col("spot") > 0),
            Rule("rows_live", "1 to rows_in", pl.col("rows_live").is_between(1, pl.col("rows_in"))),
            Rule("naive_nearest_wall_side", "call, put or both", wall_side.is_in(_WALL_SIDES)),
            Rule(
                "naive_nearest_wall_side",
                "there with naive_nearest_wall and only there",
                wall_side.is_null() == pl.col("naive_nearest_wall").is_null(),
            ),
            Rule("naive_compression_score", "0 to 100", pl.col("naive_compression_score").is_between(0, 100)),
            within("oi_call", 0, _MOST, "at least 0"),
            within("oi_put", 0, _MOST, "at least 0"),
            *sides,
        )


class GexProfile(ContractModel):
    """One row per snapshot and strike, per snapshot and level, and per snapshot and expiry, told apart by ``kind``."""

    seq: pl.UInt32 = column("-", "Position in the partition, 0 to n-1", DELTA)
    observed_at: Annotated[pl.Datetime, "us", "UTC"] = column("us UTC", "Time of the snapshot", DICTIONARY)
    source: pl.Categorical = column("-", "Source of the chain, e.g. cboe", DICTIONARY)
    kind: pl.Categorical = column(
        "-",
        "strike: exposure at a strike; level: net exposure if the underlying stood there; expiry: one expiry",
        DICTIONARY,
    )
    price: pl.Float64 = _price("Strike or level; null for expiries")
    expiry: pl.Date = column(
        "-", "Expiry date; null for strikes and levels, as are the next columns", DICTIONARY, nullable=True
    )
    settlement_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "When the expiry settles", DICTIONARY, nullable=True
    )
    settle_style: pl.Categorical = column("-", "AM or PM", DICTIONARY, nullable=True)
    dte_days: pl.Int32 = column(
        "days", "Calendar days to expiry from the Eastern date of the snapshot", DELTA, nullable=True
    )
    tau_years: pl.Float64 = column("years", "Time to settlement", SPLIT, nullable=True)
    forward: pl.Float64 = _price("Price of the underlying for settlement, by put-call parity")
    discount: pl.Float64 = _share("Price of 1 paid at settlement, by put-call parity")
    parity_rms: pl.Float64 = _price("Root mean square residual of that regression")
    parity_source: pl.Categorical = column(
        "-", "own regression, neighbour_rate or neighbour_carry of another expiry, none", DICTIONARY, nullable=True
    )
    atm_iv: pl.Float64 = column("per year", "Volatility at the forward, from quotes", SPLIT, nullable=True)
    iv_excluded_n: pl.Int32 = column(
        "-", "Lines with open interest whose quotes give no volatility", DELTA, nullable=True
    )
    max_pain: pl.Float64 = _price("Strike at which least is paid out at settlement; null without open interest")
    zero_gamma: pl.Float64 = _price("Crossing nearest to spot of this expiry, own greeks")
    zero_gamma_crossings: pl.String = column("points", "All crossings as a JSON list", PLAIN, nullable=True)
    n_crossings: pl.Int32 = column("-", "Number of crossings", DELTA, nullable=True)
    naive_gex_call_usd_per_1pct: pl.Float64 = _usd("Call side, own greeks; null for levels")
    naive_gex_put_usd_per_1pct: pl.Float64 = _usd("Put side, own greeks; null for levels")
    naive_gex_net_usd_per_1pct: pl.Float64 = _usd("Sum of both, own greeks; the profile for levels")
    naive_gex_abs_usd_per_1pct: pl.Float64 = _usd("Call side plus size of put side, own greeks; null for levels")
    naive_gex_vol_call_usd_per_1pct: pl.Float64 = _usd(
        "Call side with volume instead of open interest; null for levels"
    )
    naive_gex_vol_put_usd_per_1pct: pl.Float64 = _usd("Put side with volume instead of open interest; null for levels")
    vendor_gex_call_usd_per_1pct: pl.Float64 = _usd("Call side, greeks of the source; null for levels")
    vendor_gex_put_usd_per_1pct: pl.Float64 = _usd("Put side, greeks of the source; null for levels")
    vendor_gex_net_usd_per_1pct: pl.Float64 = _usd("Sum of both, greeks of the source; null for levels")
    oi_call: pl.Int64 = _contracts("Open interest of calls; null for levels")
    oi_put: pl.Int64 = _contracts("Open interest of puts; null for levels")
    vol_call: pl.Int64 = _contracts("Volume of calls; null for levels")
    vol_put: pl.Int64 = _contracts("Volume of puts; null for levels")

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        expiry = pl.col("kind").cast(pl.String) == "expiry"
        return (
            Rule("kind", "strike, level or expiry", pl.col("kind").cast(pl.String).is_in(_KINDS)),
            Rule("price", "null for expiries and only there", pl.col("price").is_null() == expiry),
            Rule("expiry", "there for expiries and only there", pl.col("expiry").is_not_null() == expiry),
            finite("price"),
            finite("naive_gex_net_usd_per_1pct"),
            Rule("naive_gex_call_usd_per_1pct", "at least 0", pl.col("naive_gex_call_usd_per_1pct") >= 0),
            Rule("naive_gex_put_usd_per_1pct", "at most 0", pl.col("naive_gex_put_usd_per_1pct") <= 0),
            Rule("vendor_gex_call_usd_per_1pct", "at least 0", pl.col("vendor_gex_call_usd_per_1pct") >= 0),
            Rule("vendor_gex_put_usd_per_1pct", "at most 0", pl.col("vendor_gex_put_usd_per_1pct") <= 0),
        )
