"""Pictures of a day of level 2, as PNG files.

Belongs here: drawing. Does not belong here: what is drawn (``report.py``). matplotlib is loaded when a picture is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from ..errors import QualityError
from ..settings import SYNTHETIC_LABEL
from .report import DayDepth, per_minute

SUFFIXES = ("prices", "flow", "profile")
_MINUTE_IN_DAYS = 1 / 1_440


def picture_paths(depth: DayDepth, folder: Path) -> list[Path]:
    """Return the files that :func:`draw` writes; a day without rows has none."""
    if not depth.seconds.height:
        return []
    mark = "_synthetic" if depth.report.synthetic else ""
    name = f"{depth.report.symbol}_{depth.report.trade_date}_l2"
    return [folder / f"{name}_{suffix}{mark}.png" for suffix in SUFFIXES]


def draw(depth: DayDepth, folder: Path) -> list[Path]:
    """Write the pictures of a day, replacing older ones.

    Raises:
        QualityError: E475 matplotlib is not installed, or a file cannot be written.
    """
    paths = picture_paths(depth, folder)
    if not paths:
        return []
    try:
        from matplotlib.figure import Figure  # without pyplot there is no window and no state shared by threads

        folder.mkdir(parents=True, exist_ok=True)
        for path, painter in zip(paths, (_prices, _flow, _volumes), strict=True):
            figure = Figure(figsize=(11, 6), layout="constrained")
            figure.suptitle(_title(depth, painter(figure, depth)))
            temporary = path.with_name(f".{path.name}.tmp")
            figure.savefig(temporary, format="png", dpi=110)
            temporary.replace(path)
    except (ImportError, OSError) as error:
        raise QualityError(
            "E475",
            f"the pictures of {depth.report.symbol} {depth.report.trade_date} cannot be drawn in {folder}: {error}",
            "matplotlib is not installed, or the folder may not be written; the report itself needs neither",
            "tp l2 analyze --help",
        ) from error
    return paths


def _title(depth: DayDepth, what: str) -> str:
    report = depth.report
    symbol = report.symbol if report.symbol == report.raw_symbol else f"{report.symbol} ({report.raw_symbol})"
    title = f"{symbol} {report.trade_date}: {what}"
    return f"{title}\n{SYNTHETIC_LABEL}" if report.synthetic else title


def _prices(figure: Any, depth: DayDepth) -> str:
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 1))
    minutes = (
        depth.seconds.group_by(pl.col("ts").dt.truncate("1m"))
        .agg(
            pl.col("mid").last(),
            pl.col("mid").min().alias("lowest"),
            pl.col("mid").max().alias("highest"),
            (pl.col("microprice") - pl.col("mid")).mean().alias("lean"),
            pl.col("spread").mean().alias("spread_mean"),
        )
        .sort("ts")
    )
    at = minutes["ts"].to_list()
    upper.fill_between(at, minutes["lowest"].to_numpy(), minutes["highest"].to_numpy(), alpha=0.3, linewidth=0)
    upper.plot(at, minutes["mid"].to_numpy(), linewidth=0.9)
    upper.set_ylabel("mid, points")
    middle.bar(at, minutes["lean"].to_numpy(), width=_MINUTE_IN_DAYS, color="tab:purple")
    middle.axhline(0, color="grey", linewidth=0.5)
    middle.set_ylabel("microprice\nminus mid")
    lower.plot(at, minutes["spread_mean"].to_numpy(), linewidth=0.9, color="tab:red")
    lower.set_ylim(bottom=0)
    lower.set_ylabel("mean spread,\npoints")
    _label_times(lower)
    return "mid with its range, lean of the book and spread, minute by minute"


def _flow(figure: Any, depth: DayDepth) -> str:
    upper, lower = figure.subplots(2, 1, sharex=True)
    minutes = per_minute(depth.seconds)
    balance = depth.seconds.group_by(pl.col("ts").dt.truncate("1m")).agg(pl.col("imbalance_5").mean()).sort("ts")
    upper.bar(minutes["ts"].to_list(), minutes["flow"].to_numpy(), width=_MINUTE_IN_DAYS, color="tab:purple")
    upper.set_ylabel("order flow imbalance per minute")
    lower.plot(balance["ts"].to_list(), balance["imbalance_5"].to_numpy(), linewidth=0.8)
    lower.axhline(0, color="grey", linewidth=0.5)
    lower.set_ylim(-1, 1)
    lower.set_ylabel("imbalance of 5 levels")
    _label_times(lower)
    return "order flow imbalance and imbalance of the book"


def _volumes(figure: Any, depth: DayDepth) -> str:
    axes = figure.subplots()
    prices, area = depth.profile["price"].to_numpy(), depth.report.area
    if area is None:
        axes.text(0.5, 0.5, "no trades", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return "volume by price"
    steps = prices[1:] - prices[:-1]
    height = float(steps.min()) * 0.9 if steps.size else 0.01
    at_control = prices == area.point_of_control
    bars = axes.barh(prices, depth.profile["volume"].to_numpy(), height=height, color="tab:blue")
    for bar in [bar for bar, is_control in zip(bars, at_control, strict=True) if is_control]:
        bar.set_color("tab:red")
        bar.set_label(f"point of control {area.point_of_control:g}")
    axes.axhspan(area.low, area.high, alpha=0.15, label=f"value area (70 %) {area.low:g} to {area.high:g}")
    axes.legend(loc="upper right")
    axes.set_xlabel("volume")
    axes.set_ylabel("price, points")
    return "volume by price"


def _label_times(axes: Any) -> None:
    """Write times of the day once, with their date at the edge."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC")  # type: ignore[no-untyped-call]  # matplotlib has no types here
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]
    axes.set_xlabel("UTC")
