"""Engine settings: from the mapping in a configuration file to the frozen class of an adapter."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cattrs import ClassValidationError, Converter

from ..errors import SettingsError

C = TypeVar("C", bound=attrs.AttrsInstance)


@attrs.frozen
class Surroundings:
    """Where a configuration stands: its ``folder``, for files that settings name, and the environment.

    ``max_sentence_sound`` is the server's bound of that name, in seconds.
    """

    folder: Path
    environ: Mapping[str, str] = attrs.field(repr=False)
    max_sentence_sound: float = 120.0


def read_settings(
    cls: type[C],
    settings: Mapping[str, object],
    *,
    preset: Mapping[str, object] | None = None,
    ignored: Collection[str] = (),
) -> C:
    """``settings`` as a ``cls``, whose fields are the settings that exist.

    A value of None counts as not given. ``preset`` are the fields that the adapter fills in and no
    file may; ``ignored`` the settings of older formats that mean nothing here. Raises
    `SettingsError` for an unknown setting or a wrong value, with the further ones in ``others``.
    """
    preset = preset or {}
    given = {key: value for key, value in settings.items() if value is not None and key not in ignored}
    allowed = [field.name for field in attrs.fields(cls) if field.init and field.name not in preset]
    wrong = [SettingsError(key, _unknown(key, allowed)) for key in given if key not in allowed]
    try:
        known = {key: value for key, value in given.items() if key in allowed}
        config = _converter.structure({**known, **preset}, cls)
    except ClassValidationError as errors:
        wrong += [_settings_error(error) for error in errors.exceptions]
    if wrong:
        raise SettingsError(wrong[0].key, wrong[0].message, others=wrong[1:])
    return config


def between(low: float, high: float) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    """A validator for attrs fields: a number in [low, high]."""

    def check(_instance: object, field: attrs.Attribute[Any], value: float) -> None:
        if not low <= value <= high:
            raise SettingsError(field.name, f"must be between {low:g} and {high:g}, not {value:g}")

    return check


def one_of(*choices: str) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    """A validator for attrs fields: one of a few words."""

    def check(_instance: object, field: attrs.Attribute[Any], value: str) -> None:
        if value not in choices:
            raise SettingsError(field.name, f"must be one of {', '.join(choices)}, not {value!r}")

    return check


def closest(word: str, words: Collection[str]) -> str:
    """`` (did you mean …?)`` where one of ``words`` is much like ``word``, otherwise nothing."""
    match = difflib.get_close_matches(word, words, n=1, cutoff=0.75)
    return f" (did you mean {match[0]}?)" if match else ""


def _unknown(key: str, allowed: Collection[str]) -> str:
    known = ", ".join(sorted(allowed)) or "none"
    return f"no such setting{closest(key, allowed)}; known are: {known}"


def _settings_error(error: Exception) -> SettingsError:
    """What cattrs found, in our words. A value is never repeated: it may be a key."""
    if isinstance(error, SettingsError):
        return error
    key = next((note.name for note in getattr(error, "__notes__", ()) if hasattr(note, "name")), "settings")
    if isinstance(error, KeyError):
        return SettingsError(str(error.args[0]), "is missing")
    return SettingsError(key, str(error))


def _text(value: object, _type: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text; put it in quotes")
    return value


def _number(value: object, _type: object) -> float:
    # Text that is a number is allowed, because `${NAME}` from the environment is always text.
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("must be a number")
    try:
        return float(value)
    except ValueError:
        raise ValueError("must be a number") from None


def _whole_number(value: object, _type: object) -> int:
    number = _number(value, _type)
    if not number.is_integer():
        raise ValueError("must be a whole number")
    return int(number)


def _switch(value: object, _type: object) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


_converter = Converter(detailed_validation=True)
_converter.register_structure_hook(str, _text)
_converter.register_structure_hook(float, _number)
_converter.register_structure_hook(int, _whole_number)
_converter.register_structure_hook(bool, _switch)
