"""Small quote tables, written by hand, for what the simulated ones never have."""

from __future__ import annotations

from collections.abc import Sequence

DATE = '"Date: August 29, 2025 at 4:29 PM EDT"'
HEADER_ROW = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,"
    "Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest"
)


def side(symbol: str, **cells: object) -> str:
    """Return the ten cells of a call or a put."""
    values = {
        "last": 1.5,
        "net": 0,
        "bid": 1.4,
        "ask": 1.6,
        "volume": 7,
        "iv": 0.15,
        "delta": 0.5,
        "gamma": 0.01,
        "oi": 100,
    }
    values |= cells  # type: ignore[arg-type]
    return ",".join([symbol, *("" if value is None else str(value) for value in values.values())])


def line(
    strike: float = 6460,
    expiry: str = "Wed Sep 03 2025",
    yymmdd: str = "250903",
    root: str = "SPXW",
    call: dict[str, object] | None = None,
    put: dict[str, object] | None = None,
) -> str:
    """Return a line with a call and a put."""
    number = f"{round(strike * 1000):08d}"
    calls = side(f"{root}{yymmdd}C{number}", **(call or {}))
    puts = side(f"{root}{yymmdd}P{number}", **({"delta": -0.5} | (put or {})))
    return f"{expiry},{calls},{strike:.2f},{puts}"


def table(
    lines: Sequence[str] = (),
    *,
    date: str = DATE,
    name: str = "S&P 500 INDEX,Last: 6460.2598,Change: -41.6",
    header_row: str = HEADER_ROW,
    first: str = "\n",
) -> bytes:
    """Return a file."""
    return (
        first + "\n".join([name, f"{date},Bid: 6417.99,Ask: 6486.37,Size: 1*1,Volume: 0", header_row, *lines]) + "\n"
    ).encode()
