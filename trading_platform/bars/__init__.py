"""Trade bars: pure kernels over ticks, the builder of the stored datasets, exports.

Belongs here: clock bars, volume, tick and dollar bars, resampling, the builder of ``bars_1s`` and ``bars_1m``, files for other tools.
Does not belong here: decoding of source files (``trading_platform.sierra``), enrichment with gamma (later rooms), Dagster.
"""

from .alternative import dollar_bars, tick_bars, volume_bars
from .builder import BarsBuilder
from .export import ExportedDay, export_bars
from .kernel import BAR_COLUMNS, BarWindow, time_bars
from .resample import resample

__all__ = [
    "BAR_COLUMNS",
    "BarWindow",
    "BarsBuilder",
    "ExportedDay",
    "dollar_bars",
    "export_bars",
    "resample",
    "tick_bars",
    "time_bars",
    "volume_bars",
]
