"""Engine settings: from the mapping in a configuration file to the frozen class of an adapter.

By the rules of ``conf.yaml`` itself, and in the same words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cattrs.errors import BaseValidationError

from ..config.bounds import OneOf, Within
from ..config.diagnostics import did_you_mean
from ..config.folder import Config
from ..config.structure import CONVERTER, KeyPath, mistakes
from ..errors import SettingsError

C = TypeVar("C", bound=attrs.AttrsInstance)


@attrs.frozen
class Environment:
    """What an engine's configuration depends on besides its settings.

    Relative paths in settings start at ``folder``, that of ``conf.yaml``. ``environ`` has the variables of
    the process, for keys that are not in the file. ``max_sentence_sound`` is the server's bound, in seconds,
    and ``fallback_for`` how long an engine that failed is left for the next of its list.
    """

    folder: Path
    environ: Mapping[str, str] = attrs.field(repr=False)
    max_sentence_sound: float = 120.0
    fallback_for: float = 60.0

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str]) -> Environment:
        """That of the engines of ``config``."""
        system = config.system
        return cls(config.folders.root, environ, system.max_sentence_sound, system.fallback_for)


def read_settings(
    cls: type[C],
    settings: Mapping[str, object],
    *,
    preset: Mapping[str, object] | None = None,
    ignored: Collection[str] = (),
) -> C:
    """``settings`` as a ``cls``, whose fields are the settings that exist.

    A value of None counts as not given. ``preset`` are the fields that the adapter fills in and no file may;
    ``ignored`` the settings of older formats that mean nothing here. Raises `SettingsError` for an unknown
    setting or a wrong value, with the further ones in ``others``; no value is in it, since it may be a key.
    """
    preset = preset or {}
    given = {key: value for key, value in settings.items() if value is not None and key not in ignored}
    allowed = [field.name for field in attrs.fields(cls) if field.init and field.name not in preset]
    wrong = [SettingsError(key, _unknown(key, allowed)) for key in given if key not in allowed]
    try:
        known = {key: value for key, value in given.items() if key in allowed}
        config = CONVERTER.structure({**known, **preset}, cls)
    except BaseValidationError as error:
        wrong += [_settings_error(path, cause) for path, cause, _ in mistakes(error)]
    if wrong:
        raise SettingsError(wrong[0].key, wrong[0].message, others=wrong[1:])
    return config


def between(low: float, high: float, unit: str = "") -> Within:
    """A validator for fields of a class that `read_settings` reads: a number in [low, high].

    It raises `ValueError`, which only `read_settings` makes a `SettingsError`.
    """
    return Within(low, high, unit)


def one_of(*words: str) -> OneOf:
    """As `between`: one of a few words."""
    return OneOf(words)


def for_header(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    """As `between`: a text that can go into the head of a request."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("holds characters that cannot be sent")


def _unknown(key: str, allowed: Collection[str]) -> str:
    meant = did_you_mean(key, allowed)
    known = ", ".join(sorted(allowed)) or "none"
    return "; ".join(part for part in ("this key is not known", meant, f"known are: {known}") if part)


def _settings_error(path: KeyPath, cause: Exception) -> SettingsError:
    if isinstance(cause, SettingsError):
        return cause
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return SettingsError(key, "is missing" if isinstance(cause, KeyError) else str(cause))
