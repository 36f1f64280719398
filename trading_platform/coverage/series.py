"""The rows of the board: which datasets of which symbols exist, and what makes their days at present.

Belongs here: the record of one row. Does not belong here: finding the rows, which is the business of the asset graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Series:
    """One dataset of one symbol.

    Attributes:
        symbol: first part of the asset key.
        dataset: second part.
        folder: folder of the dataset below the lake.
        calendar: name of the trading calendar.
        code_version: version of the code that makes its days now.
        contract_version: version of its contract now.
        upstream: names (``MNQ/ticks``) of the dated series that it is made from.
        rejects: view of its refused records, empty if it has none.
        optional: those of ``upstream`` without which a day is made as well.
        recorded: its source begins with a first file, and nothing brings what lies before it: no day before the first stored one is missing
            because somebody looks at it.
        on_demand: its days are made when somebody asks for them, because they cost money, or when somebody has saved a source for them; a
            day of which nothing is known is not missing.
    """

    symbol: str
    dataset: str
    folder: str
    calendar: str
    code_version: str
    contract_version: int
    upstream: tuple[str, ...] = ()
    rejects: str = ""
    optional: tuple[str, ...] = ()
    on_demand: bool = False
    recorded: bool = False

    @property
    def name(self) -> str:
        """Return the asset key as people write it."""
        return f"{self.symbol}/{self.dataset}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Series:
        """Read what :meth:`as_dict` wrote."""
        names: Mapping[str, Sequence[str]] = {name: values[name] for name in ("upstream", "optional")}
        return cls(**{**values, **{name: tuple(found) for name, found in names.items()}})
