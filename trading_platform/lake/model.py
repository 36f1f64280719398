"""The base class of dataset models: columns with unit and description, and rules that are judged in one pass.

Belongs here: what every ``pandera.polars`` model of the lake shares. Does not belong here: single datasets
(``contracts/``), what is derived from a model (``contract.py``). Importing this module imports pandera (0.5 CPU s),
so only code that needs columns or validation does it.

Source: pandera's fixed cost per check and its null scan (6 ms per million rows) were measured; therefore one
dataframe-level check evaluates all rules and null counts of a model in a single ``select``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandera.polars as pandera
import polars as pl
from pandera.api.polars.types import PolarsData

DELTA = "DELTA_BINARY_PACKED"
SPLIT = "BYTE_STREAM_SPLIT"
PLAIN = "PLAIN"
DICTIONARY = "DICTIONARY"


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that holds for every row.

    Attributes:
        column: the column that is named when the rule is broken.
        text: the rule in words, e.g. ``"at least 1"``.
        good: boolean expression, true where the row obeys; null counts as obeying, because missing values are judged
            by nullability.
        everywhere: the same as ``good.all()``, computed faster, or None.
    """

    column: str
    text: str
    good: pl.Expr
    everywhere: pl.Expr | None = None

    @property
    def verdict(self) -> pl.Expr:
        """Return the expression that is one truth value for all rows; true for no rows."""
        return (self.good.all() if self.everywhere is None else self.everywhere).fill_null(value=True)


# Beyond any price or sum of prices in use; it makes "finite" a range, which extremes and a sum can decide.
_LARGEST_NUMBER = 1e15


def within(column: str, low: int | datetime, high: int | datetime, text: str) -> Rule:
    """Return the rule that values of a whole number or time column lie in ``[low, high]``."""
    value = pl.col(column)
    return Rule(column, text, value.is_between(low, high), (value.min() >= low) & (value.max() <= high))


def finite(column: str) -> Rule:
    """Return the rule that values of a float column are numbers, neither NaN nor infinite nor absurd.

    Extremes skip NaN, but a sum does not: three aggregates take a fifth of the time of a test per row.
    """
    value, limit = pl.col(column), _LARGEST_NUMBER
    extremes = (value.min() >= -limit) & (value.max() <= limit) & value.sum().is_finite()
    return Rule(column, "a finite number", value.is_between(-limit, limit), extremes)


def column(unit: str, description: str, encoding: str, *, nullable: bool = False) -> Any:
    """Describe one column of a model.

    Args:
        unit: unit of the values, ``"-"`` for counts without one and codes.
        description: one sentence for people.
        encoding: Parquet encoding: DELTA, SPLIT, PLAIN or DICTIONARY.
        nullable: True if a value may be missing.
    """
    return pandera.Field(nullable=nullable, description=description, metadata={"unit": unit, "encoding": encoding})


class ContractModel(pandera.DataFrameModel):
    """Columns in this order, nothing else, no coercion; subclasses add columns and :meth:`rules`."""

    class Config:
        """Refuse missing, additional and reordered columns."""

        strict = True
        ordered = True
        coerce = False

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return what holds for every row, beyond types and nullability."""
        return ()

    @classmethod
    def all_rules(cls) -> tuple[Rule, ...]:
        """Return the rules of the dataset and one for each column that must not be null."""
        filled = tuple(
            Rule(name, "never null", pl.col(name).is_not_null(), pl.col(name).null_count() == 0)
            for name, (_, info) in cls.__fields__.items()
            if not info.nullable
        )
        return (*filled, *cls.rules())

    @classmethod
    def verdict(cls) -> pl.Expr:
        """Return one truth value for all rules and rows; built once per model, because that takes longer than using it."""
        known: pl.Expr | None = cls.__dict__.get("_verdict")
        if known is None:
            known = pl.all_horizontal(rule.verdict.alias(str(i)) for i, rule in enumerate(cls.all_rules()))
            type.__setattr__(cls, "_verdict", known)
        return known

    @pandera.dataframe_check
    @classmethod
    def rows_obey_the_rules(cls, data: PolarsData) -> bool:
        """Evaluate every rule in one pass over the rows."""
        return bool(data.lazyframe.select(cls.verdict()).collect().item())
