"""What a character knows of its place: places, opening hours, answers, and whom to ask."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .hours import Hours

Texts = Mapping[str, str]
"""By language; ``""`` is for all."""


@attrs.frozen
class DeskPlace:
    """Where something is: ``names`` by language, the ``way`` to it, and its own hours, if it has any."""

    names: Mapping[str, tuple[str, ...]] = attrs.field(hash=False)
    way: Texts = attrs.field(hash=False)
    hours: Hours | None = None


@attrs.frozen
class Faq:
    """Patterns by language, and what is answered."""

    ask: Mapping[str, tuple[str, ...]] = attrs.field(hash=False)
    answer: Texts = attrs.field(hash=False)


@attrs.frozen
class Desk:
    """All that a character knows of its place.

    It has a hash, as what is part of an engine's settings must, of what can have one.
    """

    places: tuple[DeskPlace, ...] = ()
    hours: Hours | None = None
    faq: tuple[Faq, ...] = ()
    contact: Texts = attrs.field(factory=dict, hash=False)

    def __bool__(self) -> bool:
        return bool(self.places or self.hours or self.faq or self.contact)

    def hours_of(self, about: str) -> Hours | None:
        """The hours of what is spoken of: of a place (see `subject_of`), or else of all."""
        for number, place in enumerate(self.places):
            if place.hours and about == subject_of(number):
                return place.hours
        return self.hours


def subject_of(place: int) -> str:
    """What a conversation about the hours of the place of that number is about."""
    return f"places[{place}].hours"


def said_in(texts: Texts, language: str) -> str:
    """The text in ``language``; where there is none, the one for all, or else the first."""
    return texts.get(language) or texts.get("") or next(iter(texts.values()), "")


@attrs.frozen
class DeskForms:
    """What one language has for places and hours: patterns with ``<place>`` in them, and forms of speech.

    ``place`` asks for the way, ``more_place`` only after another place was asked for, ``no_place`` does not
    ask; ``place_hours`` asks when it is open, which the rule ``hours_rule`` answers. ``span`` has
    ``{opens}`` and ``{closes}``, ``days`` ``{first}`` and ``{last}``, ``on_days`` ``{days}`` and ``{hours}``.
    """

    place: tuple[str, ...] = ()
    no_place: tuple[str, ...] = ()
    more_place: tuple[str, ...] = ()
    place_hours: tuple[str, ...] = ()
    hours_rule: str = ""
    span: str = "{opens}–{closes}"
    days: str = "{first}–{last}"
    on_days: str = "{days} {hours}"
    between: str = ", "
    closed: str = "–"
    midnight: str = ""
