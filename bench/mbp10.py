"""Benchmark: a day of ten-level books from DBN to Parquet, everything on, beside the vendor's own ways; and its measures per second."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from . import mbp10_variants
from .measure import MEGABYTE, TMP, Series, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "mbp10"
RECORDS = 3_000_000
MEMORY_LIMIT_MB = 300
OURS, FLOOR = "ours, everything on", "floor: decode + split + encode"
TO_PARQUET, TO_DF = "DBNStore.to_parquet", "DBNStore.to_df + to_parquet"
METRICS = "measures per second"
TWO = "one day alone, then two side by side"
_SCALING_ROUNDS = 5


def run(settings: Settings) -> Result:
    """Measure."""
    wanted = settings.size(RECORDS)
    file = TMP / f"synthetic-mbp10-{wanted}.dbn.zst"
    if not file.exists():
        prepare(f"{mbp10_variants.__name__}:write_file", path=str(file), records=wanted)
    records = int(prepare(f"{mbp10_variants.__name__}:count", path=str(file))["rows"])
    variants = [
        _variant(name, function, file, records)
        for name, function in (
            (OURS, "ours"),
            (FLOOR, "floor"),
            (TO_PARQUET, "vendor_to_parquet"),
            (TO_DF, "vendor_frame"),
        )
    ]
    series = measure(variants, settings)
    folders = {"ours_out": str(_folder(OURS)), "floor_out": str(_folder(FLOOR)), "vendor_out": str(_folder(TO_PARQUET))}
    prepare(f"{mbp10_variants.__name__}:compare", **folders)
    arguments = {"ours_out": str(_folder(OURS)), "records": records}
    series |= measure([Variant(METRICS, f"{mbp10_variants.__name__}:metrics", arguments)], settings)
    series |= measure([_variant(TWO, "side_by_side", file, records)], replace(settings, rounds=_SCALING_ROUNDS))
    return Result(
        NAME,
        f"{records / 1e6:.2f} M synthetic mbp-10 records ({file.stat().st_size / MEGABYTE:,.0f} MB of DBN) to the columns of `l2`; ours "
        "proves frames, count, order, window and mapping, measures, validates, hashes and commits with fsync. The vendor's ways "
        "write their own columns; all that both have were compared after the runs.",
        list(series.values()),
        _lines(series, records),
        OURS,
    )


def _lines(series: dict[str, Series], records: int) -> list[Line]:
    ours, floor, to_parquet, to_df, metrics = (series[name] for name in (OURS, FLOOR, TO_PARQUET, TO_DF, METRICS))
    ours_bytes = ours.median("bytes")
    noisy = ours.is_noisy
    return [
        Line("records per CPU second", records / ours.median() / 1e6, "M", noisy=noisy),
        Line(
            "CPU, DBNStore.to_parquet / ours",
            to_parquet.median() / ours.median(),
            "x",
            at_least=1.8,
            noisy=noisy or to_parquet.is_noisy,
        ),
        Line(
            "CPU, to_df + to_parquet / ours",
            to_df.median() / ours.median(),
            "x",
            at_least=2.4,
            noisy=noisy or to_df.is_noisy,
        ),
        Line("CPU, ours / floor", ours.median() / floor.median(), "x", at_most=1.1, noisy=noisy or floor.is_noisy),
        Line("bytes, ours / DBNStore.to_parquet", ours_bytes / to_parquet.median("bytes"), "x", at_most=0.7),
        Line("bytes, ours / to_df + to_parquet", ours_bytes / to_df.median("bytes"), "x", at_most=0.7),
        Line("peak memory of ours", ours.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line(
            "CPU of the measures",
            metrics.median() * RECORDS / records,
            "s per 3 M",
            at_most=3.0,
            noisy=metrics.is_noisy,
        ),
        Line("two days side by side: speed against one after the other", series[TWO].median("scaling"), "x"),
        Line("two days side by side: CPU seconds against twice one", series[TWO].median("cpu_growth"), "x"),
        Line("Parquet written by ours", ours_bytes / records, "bytes per record"),
    ]


def _variant(name: str, function: str, file: Path, records: int) -> Variant:
    folder = _folder(name)

    def reset() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    arguments = {"path": str(file), "out": str(folder), "records": records}
    return Variant(name, f"{mbp10_variants.__name__}:{function}", arguments, reset)


def _folder(name: str) -> Path:
    return TMP / "out" / "mbp10" / "".join(letter if letter.isalnum() else "_" for letter in name)
