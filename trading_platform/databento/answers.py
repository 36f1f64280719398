"""Reading what the vendor answers.

Belongs here: instants, the range of a dataset, the meaning of a symbol. Does not belong here: asking (``client.py``), conditions
(``conditions.py``). What is not as documented raises ValueError, which becomes E343.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, Final

from ..errors import VendorError, command
from .query import nanoseconds_of

# Python reads fractions of any length and cuts them to six digits; the vendor gives nine.
_FRACTION: Final = re.compile(r"[.,](\d+)")


def instant_from(text: str) -> datetime:
    """Read the vendor's ISO 8601 time, which has nine digits behind the second; cut to microseconds.

    Raises:
        ValueError: it is no such time, or has no zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"Expected a time with its zone, was {text!r}")
    return instant


def ns_from(value: object) -> int:
    """Read an instant as the vendor's batch jobs have it: epoch nanoseconds as a number or text, or ISO 8601; exact.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError(f"Expected an instant, was {value!r}")
    if value.isdigit():
        return int(value)
    fraction = _FRACTION.search(value)
    digits = "" if fraction is None else fraction[1]
    if len(digits) > 9:
        raise ValueError(f"Expected at most nine digits behind the second, was {value!r}")
    whole = instant_from(_FRACTION.sub("", value))
    return nanoseconds_of(whole) + int(digits.ljust(9, "0"))


def span_from(answer: Any, schema: str) -> tuple[datetime, datetime]:
    """Read from when to when a dataset has records of a schema.

    The range of the whole dataset is no answer: it is that of its longest schema, so days that do not exist would be asked for.

    Raises:
        ValueError: the schema is not in the answer.
    """
    spans = answer.get("schema", {}) if isinstance(answer, dict) else {}
    if schema not in spans:
        raise ValueError(f"Expected the range of {schema}, was one of {', '.join(sorted(spans)) or 'no schema'}")
    return instant_from(spans[schema]["start"]), instant_from(spans[schema]["end"])


def resolution(answer: Any) -> Any:
    """Return the answer to a resolution of symbols.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), dict):
        raise ValueError("Expected an object with a result, was something else")
    return answer


def only_target(answer: Any, symbol: str, dataset: str, trade_date: date) -> str:
    """Return the one target of a symbol on a date.

    Raises:
        VendorError: E342 there is none, or there are several.
    """
    if symbol in answer.get("not_found", ()) or symbol in answer.get("partial", ()):
        raise ambiguous(symbol, dataset, trade_date, "the vendor did not find it on that date")
    day = trade_date.isoformat()
    found = {str(entry["s"]) for entry in answer["result"].get(symbol, ()) if entry["d0"] <= day < entry["d1"]}
    found.discard("")
    if len(found) != 1:
        raise ambiguous(symbol, dataset, trade_date, f"it means {len(found)}: {', '.join(sorted(found)) or 'none'}")
    return found.pop()


def ambiguous(symbol: str, dataset: str, trade_date: date, detail: str) -> VendorError:
    """Return the error for a symbol that does not mean one instrument."""
    return VendorError(
        "E342",
        f"{symbol} does not mean one instrument of {dataset} on {trade_date}: {detail}",
        "records could not be assigned for certain; nothing was paid",
        command("tp", "l2", "plan", "--help"),
    )
