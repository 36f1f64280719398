"""What is told about the raw files behind a day: facts that belong to the rows, and the purchase, which does not.

Belongs here: both mappings. Does not belong here: what is measured about rows (``facts.py``).

Facts are stored in the footer and follow from the bytes and what the vendor said of the day; the price, attempts and request numbers differ
from one purchase to the next and are shown in the event only, so that two purchases of the same bytes give the same partition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..lake import Json
from ..sessions import Session
from .conditions import NOT_LISTED
from .convert import ns_of
from .targets import DayTarget
from .vendor import Piece

_SECOND_NS = 1_000_000_000


def source_facts(target: DayTarget, session: Session, pieces: Sequence[Piece]) -> dict[str, Json]:
    """Return what the footer says of the raw files.

    Args:
        target: what was wanted.
        session: of the trade date, open.
        pieces: what it was made from, in order.
    """
    told = pieces[0].raw
    warnings = dict.fromkeys(text for piece in pieces for text in warnings_of(piece))
    return {
        "dataset": target.query.dataset,
        "schema": target.query.schema,
        "vendor_symbol": target.vendor_symbol,
        "raw_symbol": target.raw_symbol,
        "query": target.query.fingerprint,
        "wanted_window": [instant.isoformat() for instant in target.window],
        "windows": [[piece.start_ns, piece.end_ns] for piece in pieces],
        "uncovered_s": uncovered_s(target, session, pieces),
        "imported": any(piece.is_imported for piece in pieces),
        "condition": told.condition,
        "last_modified": told.last_modified,
        "vendor_warnings": list(warnings),
    }


def warnings_of(piece: Piece) -> list[str]:
    """Return what the vendor warned of, and that he named no condition for the day of a file that he sold."""
    is_unlisted = piece.raw.condition is None and not piece.is_imported
    return [*piece.raw.warnings, *([NOT_LISTED] if is_unlisted else [])]


def uncovered_s(target: DayTarget, session: Session, pieces: Sequence[Piece]) -> int:
    """Return how many seconds of the wanted trading hours no file covers, rounded up."""
    if session.opens_at is None or session.closes_at is None:
        return 0
    start = max(target.query.start_ns, ns_of(session.opens_at))
    end = min(target.query.end_ns, ns_of(session.closes_at))
    covered = sum(max(0, min(end, piece.end_ns) - max(start, piece.start_ns)) for piece in pieces)
    return -(-max(0, end - start - covered) // _SECOND_NS)


def files_of(details: Mapping[str, Json]) -> list[Mapping[str, Any]]:
    """Return the raw files that :func:`purchase` has told of; none for a day that was not made from files."""
    files = details.get("files")
    return [file for file in files if isinstance(file, Mapping)] if isinstance(files, list) else []


def purchase(pieces: Sequence[Piece]) -> Mapping[str, Json]:
    """Return what the event shows of the purchase."""
    files: list[Json] = [
        {
            "name": piece.raw.path.name,
            "sha256": piece.raw.sha256,
            "size_bytes": piece.raw.size_bytes,
            "records": piece.raw.records,
            "cost_usd": piece.raw.cost_usd,
            "condition": piece.raw.condition,
            "warnings": warnings_of(piece),
            **{name: piece.raw.details[name] for name in ("mode", "attempts", "job_id") if name in piece.raw.details},
        }
        for piece in pieces
    ]
    return {"cost_usd": sum(piece.raw.cost_usd for piece in pieces), "files": files}
