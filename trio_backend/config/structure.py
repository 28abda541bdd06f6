"""Plain values → frozen classes, strictly, with every mistake found at its own file, line and key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, get_origin, get_type_hints

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    IterableValidationError,
)
from cattrs.gen import make_dict_structure_fn, override

from .document import Scalar, Table
from .finding import Findings, did_you_mean
from .sections import OTHERS, Others
from .values import Values

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

# What YAML 1.1 took for booleans, and old files may hold.
_WORDS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def structured(cls: type[T], table: Table, values: Values) -> T | None:
    """``table`` as a ``cls``; None where it has errors, which are in ``values.findings``."""
    plain = values.given(table)
    try:
        return _CONVERTER.structure(plain, cls)
    except BaseValidationError as error:
        for path, cause, secret in _leaves(error, "", secret=False):
            _report(table, path, cause, values.findings, secret=secret)
        return None


def report_unknown(cls: type, table: Table, findings: Findings) -> None:
    """Warn of the keys in ``table``, and in its sections, that ``cls`` does not have."""
    others, hints = OTHERS.get(cls, Others()), get_type_hints(cls)
    for key in unknown_keys(cls, table):
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


def _leaves(error: BaseValidationError, path: str, *, secret: bool) -> Iterator[tuple[str, Exception, bool]]:
    """Each single mistake inside ``error``, with its dotted path and whether its value must not be shown."""
    assert isinstance(error, ClassValidationError | IterableValidationError)
    for cause, note in error.group_exceptions()[0]:
        if isinstance(note, AttributeValidationNote):
            inner = f"{path}.{note.name}".lstrip(".")
            hidden = secret or not attrs.fields_dict(error.cl)[note.name].repr
        else:
            inner, hidden = f"{path}.{note.index}".lstrip("."), secret
        if isinstance(cause, BaseValidationError):
            yield from _leaves(cause, inner, secret=hidden)
        else:
            yield inner, cause, hidden


def _report(table: Table, path: str, cause: Exception, findings: Findings, *, secret: bool) -> None:
    node = table.find(path)
    holder, _, key = path.rpartition(".")
    if isinstance(cause, KeyError):
        section = (table.table(holder) if holder else None) or table
        findings.error(
            section.place.inside(key, section.place.line), "is missing", "write it, or see conf.yaml"
        )
        return
    while node is None and path:
        path = path.rpartition(".")[0]
        node = table.find(path) if path else table
    got = f"got {node.text!r}" if isinstance(node, Scalar) and not secret else "the value is wrong"
    findings.error((node or table).place, got, str(cause))


def _text(value: object, _: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("must be text, in quotes if it looks like something else")


def _boolean(value: object, _: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    raise ValueError("must be true or false")


def _integer(value: object, _: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    raise ValueError("must be a whole number")


def _number(value: object, _: Any) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            return float(value)
    raise ValueError("must be a number")


def _only(kind: type, rule: str, inner: Hook) -> Hook:
    def structure(value: object, cls: Any) -> Any:
        if not isinstance(value, kind):
            raise ValueError(rule)
        return inner(value, cls)

    return structure


def _class_hook(cls: Any, converter: cattrs.Converter) -> Hook:
    # The class checks its fields too, but stops at the first; here each has its turn.
    fields = {field.name: override(struct_hook=_checked(field, converter)) for field in attrs.fields(cls)}
    inner = make_dict_structure_fn(cls, converter, **fields)  # type: ignore[arg-type]
    return _only(dict, "must be a section with keys of its own", inner)


def _checked(field: attrs.Attribute[Any], converter: cattrs.Converter) -> Hook:
    def structure(value: object, cls: Any) -> Any:
        result = converter.structure(value, cls)
        if field.validator:
            field.validator(None, field, result)
        return result

    return structure


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    for kind, hook in ((str, _text), (bool, _boolean), (int, _integer), (float, _number)):
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(_is_tuple, _tuple_hook)
    converter.register_structure_hook_factory(_is_mapping, _mapping_hook)
    return converter


def _is_tuple(cls: Any) -> bool:
    origin: object = get_origin(cls)
    return origin is tuple


def _is_mapping(cls: Any) -> bool:
    origin: object = get_origin(cls)
    return origin is Mapping


def _tuple_hook(cls: Any, converter: cattrs.Converter) -> Hook:
    inner = homogenous_tuple_structure_factory(cls, converter)
    return _only(list, "must be a list, such as [a, b]", inner)


def _mapping_hook(cls: Any, converter: cattrs.Converter) -> Hook:
    return _only(dict, "must be a section with keys of its own", mapping_structure_factory(cls, converter))


_CONVERTER = _converter()
