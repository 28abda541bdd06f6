"""Which of several variants is said: one that was not said yet, decided by the conversation alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import attrs

from .rules import ANY_MANNER, Sayings
from .talk import Talk
from .templates import Template

T = TypeVar("T")


@attrs.frozen
class Option(Generic[T]):
    """One thing that might be said, and for what. ``common`` if it is not of the manner's own."""

    owner: T
    template: Template | None = None
    common: bool = False


@attrs.frozen
class VariantChoice:
    """Chooses for one conversation and one manner."""

    talk: Talk
    manner: str

    def options(self, owner: T, sayings: Sayings, values: Mapping[str, str]) -> list[Option[T]]:
        """The variants of which all values are known."""
        return [
            Option(owner, template, common=name == ANY_MANNER)
            for name in (self.manner, ANY_MANNER)
            for template in sayings.by_manner.get(name, ())
            if template.needs <= values.keys()
        ]

    def pick(self, options: Sequence[Option[T]]) -> Option[T] | None:
        """One of ``options``: of the manner's own, of the common ones, or else the one said longest ago."""
        fresh = [option for option in options if self._last_said(option.template) < 0]
        best = [option for option in fresh if not option.common] or fresh
        if best:
            return best[self.talk.pick(f"variant {_source(best[0])}", len(best))]
        return min(options, key=lambda option: self._last_said(option.template), default=None)

    def _last_said(self, template: Template | None) -> int:
        """The number of the reply that had it last; -1 for none."""
        if template is None:
            return -1
        said = self.talk.said
        return next((at for at in reversed(range(len(said))) if template.place_in(said[at]) >= 0), -1)


def _source(option: Option[T]) -> str:
    return option.template.source if option.template else ""
