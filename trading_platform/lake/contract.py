"""What a dataset promises: name, version, columns, order, rules, and everything that is derived from its model.

Belongs here: the contract object and validation. Does not belong here: single datasets (``contracts/``) and files.
The model is loaded on first use: naming a dataset or comparing fingerprints must not pay for importing pandera (0.5
CPU s).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from ..errors import QualityError

if TYPE_CHECKING:
    from pandera.api.polars.container import DataFrameSchema

    from .model import ContractModel

_ARROW_TYPES: Mapping[pl.DataType, pa.DataType] = {
    pl.Int8(): pa.int8(),
    pl.Int16(): pa.int16(),
    pl.Int32(): pa.int32(),
    pl.Int64(): pa.int64(),
    pl.UInt8(): pa.uint8(),
    pl.UInt16(): pa.uint16(),
    pl.UInt32(): pa.uint32(),
    pl.UInt64(): pa.uint64(),
    pl.Float32(): pa.float32(),
    pl.Float64(): pa.float64(),
    pl.Boolean(): pa.bool_(),
    pl.String(): pa.string(),
    pl.Date(): pa.date32(),
    pl.Categorical(): pa.dictionary(pa.int32(), pa.string()),
    pl.Datetime("us", "UTC"): pa.timestamp("us", "UTC"),
    pl.Datetime("ns", "UTC"): pa.timestamp("ns", "UTC"),
}
_SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True)
class ColumnDoc:
    """One column for people and for the data dictionary.

    Attributes:
        name: column name.
        dtype: Arrow type as text, e.g. ``timestamp[us, tz=UTC]``.
        unit: unit of the values.
        description: one sentence.
        nullable: True if a value may be missing.
        encoding: Parquet encoding.
    """

    name: str
    dtype: str
    unit: str
    description: str
    nullable: bool
    encoding: str


@dataclass(frozen=True)
class DatasetContract:
    """The promise of one dataset.

    Attributes:
        name: dataset name, also the SQL view.
        version: rises when a column changes; part of every fingerprint.
        description: one sentence.
        load_model: returns the pandera model; called once, on first use.
        sort_by: columns that order the rows of a partition.
        sort_strict: True if no two rows may share a key.
        row_number: column that counts 0..n-1 inside the partition, or None.
        rejects: contract of quarantined rows, or None if the dataset has none.
        folder: folder below the lake root; default: the name.
        is_primary: True if it is made from source files, which may be gone tomorrow, and not from other datasets.
    """

    name: str
    version: int
    description: str
    load_model: Callable[[], type[ContractModel]] = field(repr=False, compare=False)
    sort_by: tuple[str, ...] = ()
    sort_strict: bool = True
    row_number: str | None = None
    rejects: DatasetContract | None = None
    folder: str = ""
    is_primary: bool = False

    def __post_init__(self) -> None:
        """Fill in the folder."""
        if self.folder == "":
            object.__setattr__(self, "folder", self.name)

    @cached_property
    def model(self) -> type[ContractModel]:
        """Return the pandera model."""
        return self.load_model()

    @cached_property
    def polars_schema(self) -> pl.Schema:
        """Return names and polars types, in order."""
        return pl.Schema({name: spec.dtype.type for name, spec in self._schema.columns.items()})

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Return the Arrow schema of the stored file; a column that must not be null is marked so."""
        return pa.schema(
            pa.field(doc.name, _ARROW_TYPES[dtype], nullable=doc.nullable)
            for doc, dtype in zip(self.columns, self.polars_schema.dtypes(), strict=True)
        )

    @cached_property
    def columns(self) -> tuple[ColumnDoc, ...]:
        """Return the documentation of every column, in order."""
        docs = []
        for (name, dtype), (_, info) in zip(self.polars_schema.items(), self.model.__fields__.values(), strict=True):
            metadata = info.metadata or {}
            docs.append(
                ColumnDoc(
                    name=name,
                    dtype=str(_ARROW_TYPES[dtype]),
                    unit=metadata["unit"],
                    description=info.description or "",
                    nullable=bool(info.nullable),
                    encoding=metadata["encoding"],
                )
            )
        return tuple(docs)

    @cached_property
    def encodings(self) -> Mapping[str, str]:
        """Return the Parquet encoding of every column that is not dictionary-encoded."""
        return {doc.name: doc.encoding for doc in self.columns if doc.encoding != "DICTIONARY"}

    @cached_property
    def dictionary_columns(self) -> tuple[str, ...]:
        """Return the columns that are dictionary-encoded."""
        return tuple(doc.name for doc in self.columns if doc.encoding == "DICTIONARY")

    def empty(self) -> pl.DataFrame:
        """Return a frame without rows and with the right columns."""
        return pl.DataFrame(schema=self.polars_schema)

    def validate(self, frame: pl.DataFrame) -> None:
        """Check columns, types, nulls and rules of every row; order is the writer's business, because it spans chunks.

        Args:
            frame: any number of rows, columns as the contract says. A LazyFrame is refused: pandera would look at its
                types only and let bad rows pass.

        Raises:
            QualityError: E400 if columns or types differ, E401 if a row breaks a rule, E405 if the frame is not a DataFrame.
        """
        if not isinstance(frame, pl.DataFrame):
            raise QualityError(
                "E405",
                f"dataset {self.name}: Expected a polars DataFrame, was {type(frame).__name__}",
                "rows of a LazyFrame are not looked at by the validation; nothing was written",
                f'tp sql "describe {self.name}"',
            )
        from pandera.config import ValidationDepth, config_context
        from pandera.errors import SchemaError

        if frame.schema != self.polars_schema:
            raise self._refusal(frame)
        try:
            # Settings of the process (PANDERA_VALIDATION_ENABLED and _DEPTH) must not switch the gate off.
            with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
                self._rows_schema.validate(frame)
        except SchemaError as error:
            raise self._refusal(frame) from error

    @cached_property
    def _schema(self) -> DataFrameSchema:
        return self.model.to_schema()

    @cached_property
    def _rows_schema(self) -> DataFrameSchema:
        """Return the checks of the model without its columns.

        Names and types are compared as a whole and nulls are judged by ``rows_obey_the_rules``: column by column pandera needs 4 ms for
        ten columns and 6 ms per million rows to find nulls.
        """
        from pandera.polars import DataFrameSchema

        return DataFrameSchema(checks=self._schema.checks, name=self._schema.name)

    def _refusal(self, frame: pl.DataFrame) -> QualityError:
        """Say which column breaks which rule, how often, and show the first rows."""
        if frame.schema != self.polars_schema:
            return self.schema_refusal({name: str(dtype) for name, dtype in frame.schema.items()})
        broken = []
        for rule in self.model.all_rules():
            bad = frame.with_row_index("row").filter(~rule.good.fill_null(value=True))
            if bad.height:
                shown = bad.head(_SHOWN_ROWS).select("row", rule.column).rows()
                rows = ", ".join(f"row {row}: {value}" for row, value in shown)
                broken.append(f"{rule.column}: expected {rule.text}, {bad.height} rows differ ({rows})")
        return QualityError(
            "E401",
            f"dataset {self.name} v{self.version}: " + "; ".join(broken),
            "rows break the contract of the dataset; nothing was written, an older file of the day is intact",
            f'tp sql "describe {self.name}"',
        )

    def schema_refusal(self, found: Mapping[str, str]) -> QualityError:
        """Return the error for columns that differ; ``found`` maps names to types as text."""
        expected = {name: str(dtype) for name, dtype in self.polars_schema.items()}
        missing = [name for name in expected if name not in found]
        extra = [name for name in found if name not in expected]
        retyped = [
            f"{name} {found[name]} instead of {dtype}"
            for name, dtype in expected.items()
            if found.get(name, dtype) != dtype
        ]
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"unexpected {', '.join(extra)}"] if extra else []
        parts += retyped or ([] if parts else ["columns in another order"])
        return QualityError(
            "E400",
            f"dataset {self.name} v{self.version}: columns differ from the contract: {'; '.join(parts)}",
            "the builder and the contract do not fit together; nothing was written, an older file of the day is intact",
            f'tp sql "describe {self.name}"',
        )
