"""Trade bars: pure kernels over ticks, the builder of the stored datasets, exports.

Belongs here: clock bars, volume, tick and dollar bars, resampling, the dense session grid, the builder of ``bars_1s`` and ``bars_1m``,
files for other tools. Does not belong here: decoding of source files (``trading_platform.sierra``), enrichment with gamma (later rooms),
Dagster.
"""

from .alternative import dollar_bars, tick_bars, volume_bars
from .builder import BarsBuilder
from .export import ExportedDay, export_bars
from .grid import TickGapCause, dense_grid, grid_facts
from .kernel import BAR_COLUMNS, BarWindow, time_bars
from .resample import resample

__all__ = [
    "BAR_COLUMNS",
    "BarWindow",
    "BarsBuilder",
    "ExportedDay",
    "TickGapCause",
    "dense_grid",
    "dollar_bars",
    "export_bars",
    "grid_facts",
    "resample",
    "tick_bars",
    "time_bars",
    "volume_bars",
]
