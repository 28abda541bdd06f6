"""The rules by which plain values become classes: nothing is taken for what it is not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, get_origin

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn, override

Hook = Callable[[Any, Any], Any]

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
    if isinstance(value, str) and len(value) <= 100 and value.strip().isdecimal():
        return int(value)
    raise ValueError("must be a whole number")


def _number(value: object, _: Any) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
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


CONVERTER = _converter()
"""Plain values → classes. Errors are those of cattrs, with paths; each field is checked by its validator."""
