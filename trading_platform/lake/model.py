"""The base class of dataset models: columns with unit and description, and rules that are judged in one pass.

Belongs here: what every ``pandera.polars`` model of the lake shares. Does not belong here: single datasets
(``contracts/``), what is derived from a model (``contract.py``). Importing this module imports pandera (0.5 CPU s),
so only code that needs columns or validation does it.

Source: pandera's fixed cost per check, its null scan (6 ms per million rows) and the planning of a polars query (2 ms
for the rules of ``ticks``) were measured; therefore one dataframe-level check judges all rules and null counts of a
model, from extremes and sums where they decide, and by a single ``select`` of what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
        everywhere: tells of a whole column whether every row obeys, the same as ``good`` but faster; None if there is no such way.
    """

    column: str
    text: str
    good: pl.Expr
    everywhere: Callable[[pl.Series], bool] | None = None


# Beyond any price or sum of prices in use; it makes "finite" a range, which extremes and a sum can decide.
_LARGEST_NUMBER = 1e15


def within(column: str, low: int | datetime, high: int | datetime, text: str) -> Rule:
    """Return the rule that values of a whole number or time column lie in ``[low, high]``."""
    return Rule(column, text, pl.col(column).is_between(low, high), lambda values: _extremes_within(values, low, high))


def finite(column: str) -> Rule:
    """Return the rule that values of a float column are numbers, neither NaN nor infinite nor absurd.

    Extremes skip NaN, but a sum does not: three aggregates take a fifth of the time of a test per row.
    """
    limit = _LARGEST_NUMBER

    def everywhere(values: pl.Series) -> bool:
        return _extremes_within(values, -limit, limit) and math.isfinite(values.sum())

    return Rule(column, "a finite number", pl.col(column).is_between(-limit, limit), everywhere)


def never(column: str, value: float, text: str) -> Rule:
    """Return the rule that a column does not hold a value."""
    return Rule(column, text, pl.col(column) != value, lambda values: bool((values != value).all()))


def _extremes_within(values: pl.Series, low: Any, high: Any) -> bool:
    smallest: Any = values.min()
    # Without a value there is nothing to judge; a column of NaN has extremes that fail every comparison.
    return smallest is None or bool(smallest >= low and values.max() <= high)


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
            Rule(name, "never null", pl.col(name).is_not_null(), lambda values: values.null_count() == 0)
            for name, (_, info) in cls.__fields__.items()
            if not info.nullable
        )
        return (*filled, *cls.rules())

    @pandera.dataframe_check
    @classmethod
    def rows_obey_the_rules(cls, data: PolarsData) -> bool:
        """Judge every rule over all rows; true for no rows."""
        whole, single = cls._rules_by_kind()
        frame = data.lazyframe.collect()
        if not all(everywhere(frame[column]) for column, everywhere in whole):
            return False
        return single is None or bool(frame.select(single).item())

    @classmethod
    def _rules_by_kind(cls) -> tuple[list[tuple[str, Callable[[pl.Series], bool]]], pl.Expr | None]:
        """Return what judges columns as a whole and one expression for the other rules; built once per model."""
        known: Any = cls.__dict__.get("_kinds")
        if known is None:
            rules = cls.all_rules()
            whole = [(rule.column, rule.everywhere) for rule in rules if rule.everywhere is not None]
            single = [rule.good.all().fill_null(value=True) for rule in rules if rule.everywhere is None]
            known = (whole, pl.all_horizontal(rule.alias(str(i)) for i, rule in enumerate(single)) if single else None)
            type.__setattr__(cls, "_kinds", known)
        return known  # type: ignore[no-any-return]  # a class attribute set past pandera's metaclass
