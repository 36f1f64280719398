"""Small pictures for partition pages: the pieces they are drawn from, and the one that every dataset with prices has.

Belongs here: SVG in Markdown below the limit of the web UI (``svg.py``), a line over price and volume (``price.py``). Does not belong here:
pictures of one subject, which lie beside it (``gex``, ``enrichment``, ``regimes``); charts in files.
"""

from .price import price_and_volume
from .svg import MARKDOWN_LIMIT

__all__ = ["MARKDOWN_LIMIT", "price_and_volume"]
