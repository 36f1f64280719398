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
            painter(figure, depth)
            figure.suptitle(_title(depth))
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


def _title(depth: DayDepth) -> str:
    report = depth.report
    title = f"{report.symbol} ({report.raw_symbol}) {report.trade_date}"
    return f"{title}\n{SYNTHETIC_LABEL}" if report.synthetic else title


def _prices(figure: Any, depth: DayDepth) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    seconds = depth.seconds
    upper.plot(seconds["ts"].to_list(), seconds["mid"].to_numpy(), linewidth=0.8, label="mid")
    upper.plot(seconds["ts"].to_list(), seconds["microprice"].to_numpy(), linewidth=0.5, alpha=0.7, label="microprice")
    upper.set_ylabel("points")
    upper.legend(loc="upper left")
    lower.plot(seconds["ts"].to_list(), seconds["spread"].to_numpy(), linewidth=0.6, color="tab:red")
    lower.set_ylabel("spread, points")
    lower.set_xlabel("UTC")


def _flow(figure: Any, depth: DayDepth) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    minutes = per_minute(depth.seconds)
    balance = depth.seconds.group_by(pl.col("ts").dt.truncate("1m")).agg(pl.col("imbalance_5").mean()).sort("ts")
    width = 1 / 1_440
    upper.bar(minutes["ts"].to_list(), minutes["flow"].to_numpy(), width=width, color="tab:purple")
    upper.set_ylabel("order flow imbalance per minute")
    lower.plot(balance["ts"].to_list(), balance["imbalance_5"].to_numpy(), linewidth=0.8)
    lower.axhline(0, color="grey", linewidth=0.5)
    lower.set_ylim(-1, 1)
    lower.set_ylabel("imbalance of 5 levels")
    lower.set_xlabel("UTC")


def _volumes(figure: Any, depth: DayDepth) -> None:
    axes = figure.subplots()
    prices = depth.profile["price"].to_numpy()
    steps = prices[1:] - prices[:-1]
    height = float(steps.min()) * 0.9 if steps.size else 0.01
    axes.barh(prices, depth.profile["volume"].to_numpy(), height=height)
    area = depth.report.area
    if area is not None:
        axes.axhspan(area.low, area.high, alpha=0.15, label="value area (70 %)")
        axes.axhline(area.point_of_control, color="tab:red", label="point of control")
        axes.legend(loc="upper right")
    axes.set_xlabel("volume")
    axes.set_ylabel("points")
