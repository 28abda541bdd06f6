"""Plain values → frozen classes, strictly, with every mistake found at its own file, line and key."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
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

from .diagnostics import Findings, did_you_mean
from .tree import Listing, Node, Scalar, Table, Values, core_value

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

KeyPath = tuple[str | int, ...]
"""The keys, and for items of lists their numbers from 0 on, that lead to a value."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
# What YAML 1.1 took for booleans, and old files may hold.
_WORDS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


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
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # Text, because a variable is text. Python refuses to read more than 4 300 digits, since that takes time.
    if isinstance(value, str) and len(value) <= 100 and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise ValueError("must be a whole number")


def _number(value: object, _: Any) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    raise ValueError("must be a number")


def _only(kind: type | tuple[type, ...], rule: str, inner: Hook) -> Hook:
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
        # There is no instance yet; no validator here looks at one.
        if field.validator:
            field.validator(None, field, result)
        return result

    return structure


class EngineNames(tuple[str, ...]):
    """The engines that a key names: one, as text, or a list of several in the order of preference."""

    __slots__ = ()

    def __str__(self) -> str:
        """As a message says them."""
        return ", ".join(self)


def _engine_names(value: object, _: Any) -> EngineNames:
    if not isinstance(value, list):
        return EngineNames((_text(value, str),))
    if not value or not all(isinstance(name, str) and name.strip() for name in value):
        raise ValueError("must be a name, or a list of names such as [edge_tts, espeak_tts]")
    if len(set(value)) < len(value):
        raise ValueError("names an engine twice")
    return EngineNames(value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook(EngineNames, _engine_names)
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
    return _only((list, tuple), "must be a list, such as [a, b]", inner)


def _mapping_hook(cls: Any, converter: cattrs.Converter) -> Hook:
    return _only(dict, "must be a section with keys of its own", mapping_structure_factory(cls, converter))


CONVERTER = _converter()
"""Plain values → attrs classes, for ``conf.yaml`` and for engines' settings.

Raises `cattrs.BaseValidationError` with all mistakes, see `mistakes`. Only what a variable or an old file may
hold is converted: text to numbers, and the words of YAML 1.1 to booleans.
"""


@cache
def _type_hints(cls: type) -> Mapping[str, Any]:
    # Asked some thirty times for each character: evaluating the annotations took two thirds of a switch.
    return get_type_hints(cls)


@attrs.frozen
class OtherKeys:
    """Keys that a section may hold besides its own: by name, or any that hold an engine's settings.

    ``names`` say why they have no effect; empty where they are read elsewhere. ``elsewhere`` says of keys
    that are not known here to which section they belong.
    """

    names: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    engines: bool = False
    elsewhere: Mapping[str, str] = attrs.field(factory=dict, hash=False)


NO_OTHER_KEYS: Mapping[type, OtherKeys] = {}


def structured(cls: type[T], table: Table, values: Values) -> T:
    """``table`` as a ``cls``, all of whose fields have defaults.

    A wrong value is an error in ``values.findings``, and its default is used. A field with the metadata
    ``required`` must be there and hold text. Unknown keys are left to `report_unknown`.
    """
    plain = _plain(cls, table, values)
    try:
        result = CONVERTER.structure(plain, cls)
    except BaseValidationError as error:
        for path, cause, secret in mistakes(error):
            _report(table, path, cause, values.findings, secret=secret)
            _remove(plain, path)
        # Without the wrong values nothing can fail: each field has a default.
        result = CONVERTER.structure(plain, cls)
    _report_missing(result, table, values.findings)
    return result


def report_unknown(
    cls: type, table: Table, findings: Findings, others: Mapping[type, OtherKeys] = NO_OTHER_KEYS
) -> None:
    """Warn of the keys in ``table``, and in its sections, that neither ``cls`` nor ``others`` have."""
    hints = _type_hints(cls)
    also = others.get(cls, OtherKeys())
    names = also.names
    for key in unknown_keys(cls, table, others):
        if findings.is_full("warning", table.location.file):
            break  # Comparing a key with all known ones takes 0.15 ms, and a file may hold 100 000.
        if belongs := also.elsewhere.get(key):
            remedy = f"it belongs in {belongs}"
        else:
            remedy = did_you_mean(key, [*hints, *names]) or "it changes nothing"
        findings.warning(table.entries[key].location, "this key is not known", remedy)
    for key, reason in names.items():
        if reason and key in table.entries:
            findings.note(table.entries[key].location, f"has no effect: {reason}")
    for key, hint in hints.items():
        section = table.table(key)
        if section and attrs.has(hint):
            report_unknown(hint, section, findings, others)


def unknown_keys(cls: type, table: Table, others: Mapping[type, OtherKeys] = NO_OTHER_KEYS) -> list[str]:
    """The keys in ``table``, its sections aside, that neither ``cls`` nor ``others`` have."""
    also, own = others.get(cls, OtherKeys()), _type_hints(cls)
    return [
        key
        for key, node in table.entries.items()
        if key not in own
        and key not in also.names
        # Under the name of an engine that is not chosen there may be anything, even nothing.
        and not (also.engines and (isinstance(node, Table) or (isinstance(node, Scalar) and node.is_null)))
    ]


def _plain(cls: Any, table: Table, values: Values) -> dict[str, object]:
    """The values of the keys that ``cls`` has. Others are not read: their variables need not be set."""
    plain: dict[str, object] = {}
    for key, hint in _type_hints(cls).items():
        node = table.entries.get(key)
        if isinstance(node, Table) and attrs.has(hint):
            plain[key] = _plain(hint, node, values)
        elif node is not None and not (isinstance(node, Scalar) and node.is_null):
            plain[key] = values.given(node)
    return plain


def mistakes(
    error: BaseValidationError, path: KeyPath = (), *, secret: bool = False
) -> Iterator[tuple[KeyPath, Exception, bool]]:
    """Each single mistake inside an ``error`` of `CONVERTER`, with its path from ``path`` on.

    The last of the three says whether the value must not be shown: its field, or one above, has no repr.
    """
    assert isinstance(error, ClassValidationError | IterableValidationError)
    for cause, note in error.group_exceptions()[0]:
        if isinstance(note, AttributeValidationNote):
            inner = (*path, note.name)
            hidden = secret or not attrs.fields_dict(error.cl)[note.name].repr
        else:
            inner, hidden = (*path, note.index), secret
        if isinstance(cause, BaseValidationError):
            yield from mistakes(cause, inner, secret=hidden)
        else:
            yield inner, cause, hidden


def _report(table: Table, path: KeyPath, cause: Exception, findings: Findings, *, secret: bool) -> None:
    node: Node = table
    for part in path:
        if isinstance(node, Table):
            node = node.entries[str(part)]
        elif isinstance(node, Listing):
            node = node.items[int(part)]
    # The text as it is in the file, and not the value: a variable may hold a key or a password.
    got = f"got {_shown(node)}" if isinstance(node, Scalar) and not secret else "the value is wrong"
    findings.error(node.location, got, str(cause))


def _shown(node: Scalar) -> str:
    """As it is in the file: what is quoted here reads like text, and `port: 123930` is a number."""
    value = core_value(node.text) if node.typed else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return node.text if is_number else repr(node.text)


def _remove(plain: dict[str, object], path: KeyPath) -> None:
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
            location = node.location if node else table.location.inside(field.name, table.location.line)
            findings.error(location, "is empty" if node else "is missing", "every character needs one")
