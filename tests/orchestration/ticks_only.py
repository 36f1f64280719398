"""A home whose archive holds ticks alone, made quickly, and a clock that a test moves.

The files are generated once per process and written again for every test, which is what makes these homes cheap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from assets.builders import RESOURCE_KEYS
from jobs.backfill import QUIET
from resources import ClockResource
from trading_platform.clock import Clock, FixedClock
from trading_platform.home import Home, create_home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.simulation import write_demo_archive

from .conftest import FIVE_DAYS, TICKS_PER_DAY


class MovingClock(ClockResource):
    """A clock whose time stands in a file, so that definitions need not be built again when time passes."""

    file: str

    def clock(self) -> Clock:
        return FixedClock(datetime.fromisoformat(Path(self.file).read_text(encoding="ascii")))


def ticks_home(folder: Path, days: Sequence[date] = FIVE_DAYS, active: Sequence[str] = ("MNQ",)) -> Home:
    """Create a home with small synthetic files of the active instruments."""
    home = create_home(folder / ".tp", sierra_dir=folder / "sierra")
    names = ", ".join(f'"{symbol}"' for symbol in active)
    home.instruments_toml.write_text(f"active = [{names}]\n", encoding="utf-8")
    (folder / "sierra").mkdir()
    for name, content in archive_files(tuple(days)).items():
        (folder / "sierra" / name).write_bytes(content)
    return home


@cache
def archive_files(days: tuple[date, ...]) -> dict[str, bytes]:
    """Return name and content of the files of ES and MNQ."""
    if not days:
        return {}
    registry = load_registry()
    with TemporaryDirectory() as name:
        write_demo_archive(
            Path(name), registry, load_roll_table(registry), trade_dates=days, ticks_per_full_day=TICKS_PER_DAY
        )
        return {path.name: path.read_bytes() for path in Path(name).glob("*.scid")}


def resources_of(defs: dg.Definitions) -> dict[str, object]:
    """Return the resources that builders need."""
    return {name: (defs.resources or {})[name] for name in RESOURCE_KEYS}


def run_assets(
    defs: dg.Definitions, instance: dg.DagsterInstance, names: Sequence[str], tags: Mapping[str, str]
) -> bool:
    """Run assets without their checks; return whether they succeeded."""
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey(name.split("/")) for name in names}, asset_check_selection=set()
    )
    return job.execute_in_process(instance=instance, raise_on_error=False, tags=dict(tags), run_config=QUIET).success


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags of a run over days."""
    return {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
