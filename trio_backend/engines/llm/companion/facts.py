"""What the user told: kept by kind, and changed by one turn after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from .rules import Language, Rule

Values = Mapping[str, str]


@attrs.frozen
class Fact:
    """One thing that the user told, as the companion says it, in the user's ``turn`` of that number."""

    kind: str
    text: str
    turn: int
    language: str
    compared: str | None = None
    """Its words as patterns see them, in the language it was told in."""


@attrs.frozen
class FactChange:
    """What one clause of the user's changes: kinds that are dropped, and facts that are added."""

    language: Language
    forget: tuple[str, ...]
    told: frozenset[str]
    """In lower case; where there is any, only these facts are dropped."""
    added: tuple[tuple[str, str, str], ...]
    """Kind, text, and the text's words as patterns see them."""


def fact_change(rule: Rule, values: Values, language: Language) -> FactChange | None:
    """What ``rule``, which fits with these values, remembers, and what it makes untrue; None if nothing."""
    added = []
    for kind, template in rule.remember.items():
        if template.needs <= values.keys():
            text = template.fill(values)
            text = _capital(text) if language.facts[kind].capital else text
            added.append((kind, text, compared(text, language)))
    if not (rule.forget or added):
        return None
    told = frozenset(text.lower() for text in values.values())
    return FactChange(language, rule.forget, told, tuple(added))


def compared(text: str, language: Language) -> str:
    """The words of ``text`` as patterns see them."""
    return " ".join(language.tokenizer.words(text))


@attrs.define(eq=False)
class KnownFacts:
    """What the user told. Collected anew for each reply: nothing is kept between calls."""

    # By kind, and by the text in lower case; oldest first.
    _told: dict[str, dict[str, Fact]] = attrs.field(factory=dict, init=False)

    def add(self, fact: Fact) -> None:
        """Keep ``fact`` as the newest of its kind."""
        self._told.setdefault(fact.kind, {})[fact.text.lower()] = fact

    def change(self, change: FactChange, turn: int) -> None:
        """Drop and add what a clause of the user's ``turn`` of that number drops and adds."""
        for kind in change.forget:
            told = self._told.get(kind, {})
            for text in change.told & told.keys() if change.told else list(told):
                del told[text]
        for kind, text, words in change.added:
            if not change.language.facts[kind].many:
                self._told.pop(kind, None)
            if text.lower() not in self._told.get(kind, {}):
                self.add(Fact(kind, text, turn, change.language.name, words))

    def in_language(self, language: Language) -> Mapping[str, Sequence[Fact]]:
        """By kind, the facts that can be said in ``language``: told in it, or proper names."""
        return {
            kind.name: [
                fact
                for fact in self._told.get(kind.name, {}).values()
                if kind.capital or fact.language == language.name
            ]
            for kind in language.facts.values()
        }


def listed(facts: Mapping[str, Sequence[Fact]], language: Language) -> str:
    """All facts as one phrase; empty if there are none."""
    phrases = []
    for kind in language.facts.values():
        texts = [fact.text for fact in facts[kind.name]][-3:]
        if texts and kind.listed:
            phrases.append(kind.listed.fill({kind.name: language.listing(texts)}))
    return language.listing(phrases)


def _capital(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
