"""What a partition file says about itself: key/values in the Parquet footer.

Belongs here: the keys, writing them deterministically, reading them fast. Does not belong here: anything that differs
between two runs over the same input (clock, host, run id, byte offsets); that is kept in the materialization event.

Source: docs/architecture.md, "The lake". The footer is committed by the same rename as the rows, so the two cannot
disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import LakeError
from .building import Json, Outcome, Preview, SourceSlice
from .contract import DatasetContract

_PREFIX = "tp."
_FIELDS = (
    "dataset",
    "contract_version",
    "code_version",
    "fingerprint",
    "content_hash",
    "rows",
    "sources",
    "outcome",
    "reason",
    "session",
    "facts",
    "rejected",
    "synthetic",
    "preview",
)


@dataclass(frozen=True, slots=True)
class FooterFields:
    """What the maker of a partition knows about it; the writer adds dataset, contract version, rows and content hash.

    Attributes:
        fingerprint: hash of everything that made the partition.
        code_version: version of the builder.
        outcome: WRITE, EMPTY, CLOSED or DEGRADED.
        session: resolved session as JSON.
        sources: names and hashes of the bytes that fed the partition.
        reason: why, for the outcomes that have a reason.
        facts: measurements that the checks look at.
        rejected: quarantined rows by reason code.
        synthetic: True if the rows were generated.
        preview: the day as a picture's worth of points, so that a page can show it without reading rows.
    """

    fingerprint: str
    code_version: str
    outcome: Outcome
    session: Mapping[str, Json]
    sources: tuple[SourceSlice, ...] = ()
    reason: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    synthetic: bool = False
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a stored partition; see :class:`FooterFields` for the common fields.

    Attributes:
        dataset: name of the dataset.
        contract_version: version of the contract that the rows obey.
        content_hash: hash of the column values, independent of file format and library versions.
        rows: number of rows.
        size_bytes: size of the file.
    """

    dataset: str
    contract_version: int
    code_version: str
    fingerprint: str
    content_hash: str
    rows: int
    sources: tuple[SourceSlice, ...]
    outcome: Outcome
    reason: str | None
    session: Mapping[str, Json]
    facts: Mapping[str, Json]
    rejected: Mapping[str, int]
    synthetic: bool
    preview: Preview | None
    size_bytes: int


def encode_footer(contract: DatasetContract, fields: FooterFields, rows: int, content_hash: str) -> dict[str, str]:
    """Return the key/values to store; equal input gives equal text, whatever the order of its mappings.

    Raises:
        ValueError: if facts hold NaN or an infinity, which JSON does not have.
    """
    values: dict[str, Json] = {
        "dataset": contract.name,
        "contract_version": contract.version,
        "code_version": fields.code_version,
        "fingerprint": fields.fingerprint,
        "content_hash": content_hash,
        "rows": rows,
        "sources": [[source.name, source.sha256] for source in fields.sources],
        "outcome": fields.outcome.value,
        "reason": fields.reason,
        "session": fields.session,
        "facts": fields.facts,
        "rejected": fields.rejected,
        "synthetic": fields.synthetic,
        "preview": None if fields.preview is None else fields.preview.as_json(),
    }
    return {_PREFIX + name: _canonical(values[name]) for name in _FIELDS}


def read_footer(path: Path) -> Footer | None:
    """Read the footer of a partition file without touching its rows (about 0.2 ms).

    Returns:
        The footer, or None if there is no file.

    Raises:
        LakeError: E505 if the file is not a partition of this lake or is damaged.
    """
    try:
        with path.open("rb") as file:
            metadata = pq.read_metadata(file)
            size_bytes = file.seek(0, 2)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error
    stored = metadata.metadata or {}
    try:
        return _decode({name: stored[(_PREFIX + name).encode()] for name in _FIELDS}, size_bytes)
    except (KeyError, ValueError, TypeError) as error:
        raise damaged(path, f"footer entry {error} is missing or malformed") from error


def read_contract(path: Path) -> str | None:
    """Read which futures contract the rows of a partition are of, from its first row (about 0.3 ms).

    Returns:
        Such as ``MNQZ26``; None if the dataset has no such column, if there are no rows, or if there is no readable file.
    """
    try:
        with pq.ParquetFile(path) as file:
            if not file.metadata.num_rows or "contract" not in file.schema_arrow.names:
                return None
            first = next(file.iter_batches(batch_size=1, row_groups=[0], columns=["contract"], use_threads=False))
    except (pa.ArrowException, OSError):
        return None
    value = first.column(0)[0].as_py()
    return None if value is None else str(value)


def damaged(path: Path, detail: str) -> LakeError:
    """Return the error for a stored file that cannot be trusted."""
    dataset, symbol, day = path.parts[-4], path.parts[-3].partition("=")[2], path.parts[-2].partition("=")[2]
    return LakeError(
        "E505",
        f"{path} is not a readable partition: {detail}",
        "the file was damaged or written by something else; it was left as it is and can be rebuilt from its source",
        f"tp backfill {symbol}/{dataset} --from {day} --to {day} --force",
    )


def _decode(stored: Mapping[str, bytes], size_bytes: int) -> Footer:
    values = {name: json.loads(text) for name, text in stored.items()}
    values["outcome"] = Outcome(values["outcome"])
    values["sources"] = tuple(SourceSlice(name, sha256) for name, sha256 in values["sources"])
    values["preview"] = None if values["preview"] is None else Preview.from_json(values["preview"])
    return Footer(**values, size_bytes=size_bytes)


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
