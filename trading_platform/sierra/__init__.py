"""Sierra Chart intraday files: reading, indexing, decoding, and the ``ticks`` dataset built from them.

Belongs here: everything that knows the ``.scid`` format. Does not belong here: storage (``lake``), calendars (``sessions``), contracts
and rolls (``instruments``), bars (``bars``), writers of synthetic files (``simulation``).
"""

from .archive import SierraArchive
from .ticks import TicksBuilder

__all__ = ["SierraArchive", "TicksBuilder"]
