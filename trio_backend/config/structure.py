"""Plain values → frozen classes, strictly, with every mistake found at its own file, line and key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, get_type_hints

import attrs
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    IterableValidationError,
)

from .conversion import CONVERTER
from .document import Listing, Node, Scalar, Table
from .finding import Findings, did_you_mean
from .sections import OTHERS, Others
from .values import Values

T = TypeVar("T")
Path = tuple[str, ...]


def structured(cls: type[T], table: Table, values: Values) -> T:
    """``table`` as a ``cls``. Each wrong value is an error in ``values.findings``, and its default stands in.

    Fields with the metadata ``required`` must be there and hold text. Unknown keys are not looked at.
    """
    plain = _plain(cls, table, values)
    try:
        result = CONVERTER.structure(plain, cls)
    except BaseValidationError as error:
        for path, cause, secret in _leaves(error, (), secret=False):
            _report(table, path, cause, values.findings, secret=secret)
            _remove(plain, path)
        result = CONVERTER.structure(plain, cls)
    _report_missing(result, table, values.findings)
    return result


def report_unknown(cls: type, table: Table, findings: Findings) -> None:
    """Warn of the keys in ``table``, and in its sections, that ``cls`` does not have."""
    others, hints = OTHERS.get(cls, Others()), get_type_hints(cls)
    for key in unknown_keys(cls, table):
        if findings.is_full("warning", table.place.file):
            break  # To look for what was meant takes time.
        remedy = did_you_mean(key, [*hints, *others.names]) or "it changes nothing"
        findings.warning(table.entries[key].place, "this key is not known", remedy)
    for key, hint in hints.items():
        section = table.table(key)
        if section and attrs.has(hint):
            report_unknown(hint, section, findings)


def unknown_keys(cls: type, table: Table) -> list[str]:
    """The keys in ``table`` that neither ``cls`` nor the old backend has."""
    others, own = OTHERS.get(cls, Others()), get_type_hints(cls)
    return [
        key
        for key, node in table.entries.items()
        if key not in own
        and key not in others.names
        and not (others.engines and (isinstance(node, Table) or (isinstance(node, Scalar) and node.is_null)))
    ]


def _plain(cls: Any, table: Table, values: Values) -> dict[str, object]:
    """The values of the keys that ``cls`` has; what nobody reads may hold what it likes."""
    plain: dict[str, object] = {}
    for key, hint in get_type_hints(cls).items():
        node = table.entries.get(key)
        if isinstance(node, Table) and attrs.has(hint):
            plain[key] = _plain(hint, node, values)
        elif node is not None and not (isinstance(node, Scalar) and node.is_null):
            plain[key] = values.given(node)
    return plain


def _leaves(
    error: BaseValidationError, path: Path, *, secret: bool
) -> Iterator[tuple[Path, Exception, bool]]:
    """Each single mistake inside ``error``, with its path and whether its value must not be shown."""
    assert isinstance(error, ClassValidationError | IterableValidationError)
    for cause, note in error.group_exceptions()[0]:
        if isinstance(note, AttributeValidationNote):
            inner = (*path, note.name)
            hidden = secret or not attrs.fields_dict(error.cl)[note.name].repr
        else:
            inner, hidden = (*path, str(note.index)), secret
        if isinstance(cause, BaseValidationError):
            yield from _leaves(cause, inner, secret=hidden)
        else:
            yield inner, cause, hidden


def _report(table: Table, path: Path, cause: Exception, findings: Findings, *, secret: bool) -> None:
    node: Node = table
    for part in path:
        if isinstance(node, Table):
            node = node.entries[part]
        elif isinstance(node, Listing):
            node = node.items[int(part)]
    # The text as it stands in the file: what a variable held is nobody's business.
    got = f"got {node.text!r}" if isinstance(node, Scalar) and not secret else "the value is wrong"
    findings.error(node.place, got, str(cause))


def _remove(plain: dict[str, object], path: Path) -> None:
    holder: object = plain
    for depth, part in enumerate(path, start=1):
        assert isinstance(holder, dict)
        if depth == len(path) or not isinstance(holder.get(part), dict):
            # Gone already where two items of one list were wrong.
            holder.pop(part, None)
            return
        holder = holder[part]


def _report_missing(result: Any, table: Table, findings: Findings) -> None:
    for field in attrs.fields(type(result)):
        if field.metadata.get("required") and not getattr(result, field.name).strip():
            node = table.entries.get(field.name)
            place = node.place if node else table.place.inside(field.name, table.place.line)
            findings.error(place, "is empty" if node else "is missing", "every character needs one")
