"""Changes to ``instruments.toml`` that keep what a person wrote in it.

Belongs here: text in, text out, for ``tp init`` and ``tp instruments activate | set``. Does not belong here: reading and validating values
(``registry.py``), files. Comments, order and layout of everything that is not changed stay; each result is parsed again before it is
returned, so that a layout this module does not understand gives an error and never a changed meaning.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from ..errors import ConfigurationError
from .registry import Registry

_HEADER = re.compile(r"^\s*\[[^\[].*\]\s*(#.*)?$")
_BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")

_TEMPLATE = """\
# Instruments of this home, merged over the packaged registry: `tp instruments list` shows the result.
# Change it here or with `tp instruments activate` and `tp instruments set`.

# Symbols that get assets, in this order.
active = [{active}]

# The style to read if contracts exist under several Sierra Chart names:
# fut (MNQZ25_FUT_CME), dash (NQM26-CME), dot (MNQM6.CME), bare (ESZ20).
# preferred_style = "fut"

# A single value of one instrument, e.g. prices that a file stores in points instead of x 100:
# [instruments.MNQ.sierra.price_scales]
# fut = 1.0
"""

Value = str | float | Sequence[str]


def new_instruments_toml(active: Sequence[str]) -> str:
    """Return the text of a new file with explanations and the given active symbols."""
    return _TEMPLATE.format(active=", ".join(_literal(symbol) for symbol in active))


def activate(text: str, symbol: str, registry: Registry) -> str:
    """Add a symbol to ``active``; the text stays as it is if the symbol is active already.

    Raises:
        ConfigurationError: E120 unknown symbol, E121 not TOML, E127 a layout that cannot be edited.
    """
    registry.get(symbol)
    active = list(_parse(text).get("active", []))
    return text if symbol in active else set_value(text, (), "active", [*active, symbol])


def set_price_scale(text: str, symbol: str, style: str, price_scale: float, registry: Registry) -> str:
    """Set the factor from stored number to points for one Sierra Chart file-name style.

    Args:
        text: the present file, may be empty.
        symbol: a future of the registry.
        style: ``fut``, ``dash``, ``dot`` or ``bare``.
        price_scale: above zero; validated when the file is loaded.
        registry: to refuse unknown symbols.

    Raises:
        ConfigurationError: E120 unknown symbol, E121 not TOML, E127 a layout that cannot be edited.
    """
    registry.get(symbol)
    return set_value(text, ("instruments", symbol, "sierra", "price_scales"), style, float(price_scale))


def set_sierra_style(text: str, symbol: str, style: str, registry: Registry) -> str:
    """Set which Sierra Chart file is read when a contract exists under several names.

    Raises:
        ConfigurationError: E120 unknown symbol, E121 not TOML, E127 a layout that cannot be edited.
    """
    registry.get(symbol)
    return set_value(text, ("instruments", symbol, "sierra"), "preferred_style", style)


def set_value(text: str, table: tuple[str, ...], key: str, value: Value) -> str:
    """Set one key of one table, adding key or table if absent.

    Args:
        text: a TOML document, may be empty.
        table: path of the table; empty for the top of the file.
        key: key inside the table.
        value: text, number or list of texts.

    Returns:
        The document with only that value changed.

    Raises:
        ConfigurationError: E121 not TOML, E127 if the place is written in a way this module cannot edit (inline tables, dotted keys).
    """
    expected = _with_value(_parse(text), table, key, value)
    lines = text.splitlines()
    section = _section(lines, table)
    if section is None:
        gap = [""] if lines and lines[-1].strip() else []
        lines += [*gap, f"[{'.'.join(_key(part) for part in table)}]", f"{_key(key)} = {_literal(value)}"]
    else:
        _set_in_section(lines, *section, key, value)
    changed = "\n".join(lines) + "\n"
    try:
        agrees = tomllib.loads(changed) == expected
    except tomllib.TOMLDecodeError:
        agrees = False
    if not agrees:
        path = ".".join((*table, key))
        raise ConfigurationError(
            "E127",
            f"cannot set {path} in instruments.toml automatically",
            f"the place is written as an inline table or with dotted keys; set {path} = {_literal(value)} by hand; nothing was changed",
            "tp instruments list",
        )
    return changed


def _set_in_section(lines: list[str], begin: int, end: int, key: str, value: Value) -> None:
    """Replace the key's line or lines between ``begin`` and ``end``, or insert one at the beginning of the section."""
    pattern = re.compile(rf"""^(\s*["']?{re.escape(key)}["']?\s*=\s*)(.*)$""")
    for i in range(begin, end):
        match = pattern.match(lines[i])
        if match is not None:
            last = _end_of_value(lines, i, end)
            comment = re.search(r"\s+#[^\"'\]]*$", lines[last - 1])
            lines[i:last] = [f"{match[1]}{_literal(value)}{comment[0] if comment else ''}"]
            return
    lines.insert(begin, f"{_key(key)} = {_literal(value)}")


def _end_of_value(lines: list[str], begin: int, end: int) -> int:
    """Return the line after a value that may span several lines."""
    for last in range(begin + 1, end + 1):
        try:
            tomllib.loads("\n".join(lines[begin:last]))
        except tomllib.TOMLDecodeError:
            continue
        return last
    return begin + 1


def _section(lines: list[str], table: tuple[str, ...]) -> tuple[int, int] | None:
    """Return the lines [begin, end) between the table's header and the next one; the top of the file always exists."""
    headers = [i for i, line in enumerate(lines) if _header_path(line) is not None]
    if not table:
        end = headers[0] if headers else len(lines)
        return _after_leading_comments(lines, end), end
    for position, i in enumerate(headers):
        if _header_path(lines[i]) == table:
            return i + 1, headers[position + 1] if position + 1 < len(headers) else len(lines)
    return None


def _after_leading_comments(lines: list[str], end: int) -> int:
    """Return where the top section's keys begin, so that a new key does not stand above the file's introduction."""
    return next((i for i in range(end) if lines[i].strip() and not lines[i].lstrip().startswith("#")), 0)


def _header_path(line: str) -> tuple[str, ...] | None:
    if _HEADER.match(line) is None:
        return None
    try:
        table: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    path = []
    while table:
        [(key, table)] = table.items()
        path.append(key)
    return tuple(path)


def _with_value(document: dict[str, Any], table: tuple[str, ...], key: str, value: Value) -> dict[str, Any]:
    place = document
    for part in table:
        place = place.setdefault(part, {})
    place[key] = value if isinstance(value, str | float) else list(value)
    return document


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            "E121",
            f"cannot read instruments.toml: {error}",
            "the file is not valid TOML; nothing was changed",
            "tp config",
        ) from error


def _key(key: str) -> str:
    return key if _BARE_KEY.match(key) else _literal(key)


def _literal(value: Value) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, float):
        return repr(value)
    return f"[{', '.join(_literal(item) for item in value)}]"
