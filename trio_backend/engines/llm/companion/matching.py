"""Which rules fit what the user says now, with all that they need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from .calendar import DAY, clock_values, day_spoken_of, day_values
from .desk import Desk
from .desk_rules import desk_values, hours_values
from .facts import Fact, compared, listed
from .rules import Language
from .talk import Talk, events
from .understanding import Conversed, Match

EARLIER = 2
"""How many turns ago something must have been told, to be brought up again."""

SPOKEN_OF = 4
"""In how many of its last replies the companion looks for what it has brought up."""


@attrs.define(eq=False)
class Matcher:
    """Which rules fit what is to be answered in ``conversed``."""

    conversed: Conversed
    character: str
    desk: Desk = attrs.field(factory=Desk)
    now: datetime | None = None
    _known: Mapping[str, str] = attrs.field(init=False)

    @_known.default
    def _values_for_all(self) -> Mapping[str, str]:
        """The newest fact of each kind, all facts as one phrase, and the names of both."""
        facts, language = self.conversed.facts, self.conversed.language
        newest = {kind: told[-1].text for kind, told in facts.items() if told}
        own = {"self": self.character, "name": self.talk.speaker, "facts": listed(facts, language)}
        clock = clock_values(language.calendar, self.now) if self.now else {}
        return _said({**own, **clock, **desk_values(self.desk, language), **newest})

    @property
    def talk(self) -> Talk:
        return self.conversed.talk

    @property
    def language(self) -> Language:
        return self.conversed.language

    def fitting(self) -> list[Match]:
        """What fits and may be used now, with all its values, the best first; of equals the later clause."""
        usable = self._without_lone([match for found in self._found() if (match := self._completed(found))])
        return sorted(usable, key=lambda match: (match.order, match.clause), reverse=True)

    def known(self, kind: str) -> bool:
        """Whether the user told a fact of that kind."""
        return bool(self.conversed.facts[kind])

    def _found(self) -> list[Match]:
        newest = self.conversed.newest
        found = list(newest.matches) if newest else []
        noticed = dict(events(self.talk, self.language, newest.clauses if newest else ()))
        if self.conversed.repeated and not (found and max(found, key=lambda match: match.order).rule.again):
            noticed["repeated"] = {}
        rules = (rule for rule in self.language.rules if rule.event in noticed)
        return found + [Match(rule, noticed[rule.event]) for rule in rules]

    @staticmethod
    def _without_lone(usable: list[Match]) -> list[Match]:
        """``usable`` without rules that answer only a message with nothing else in it, if there is more."""
        clauses = {match.clause for match in usable if not (match.rule.alone or match.rule.event)}
        return [match for match in usable if not match.rule.alone or clauses <= {match.clause}]

    def _completed(self, match: Match) -> Match | None:
        """``match`` with facts among its values, and with its ``goto`` followed; None if it is barred now."""
        rule = match.rule
        facts = self._facts_for(match)
        if facts is None or rule.turn == ("first" if self.talk.said else "later"):
            return None
        if rule.after and not self.conversed.subject.goes_on((rule.after,)):
            return None
        if any(self.known(kind) for kind in rule.unless) or not self._by_chance(match):
            return None
        target = self.language.target(rule)
        return Match(target, self._values(match) | facts, match.weight, match.clause)

    def _by_chance(self, match: Match) -> bool:
        chance = match.rule.chance
        return chance >= 100 or self.talk.pick(f"chance {match.rule.name}", 100) < chance

    def _values(self, match: Match) -> dict[str, str]:
        """What the slots hold, and what is known besides."""
        # A fact that was told just now is written as facts of its kind are: names with a capital.
        told = {
            kind: self.conversed.facts[kind][-1].text
            for kind in match.rule.remember
            if self.conversed.facts[kind]
        }
        return _said({**self._known, **self._day_values(match), **match.values, **told})

    def _day_values(self, match: Match) -> Mapping[str, str]:
        """What can be said of the day that was asked for, and of the opening hours on it."""
        rule = match.rule
        if self.now is None or not (rule.about or rule.after or DAY in match.values):
            return {}
        calendar, today = self.language.calendar, self.now.date()
        days = self.conversed.subject.days if rule.after else []
        asked = self.language.tokenizer.words(match.values.get(DAY, ""))
        day = day_spoken_of(calendar, [*days, asked], today)
        about = self.conversed.subject.about if rule.after else rule.about
        hours = self.desk.hours_of(about)
        opening = hours_values(hours, self.language, self.now, day) if hours else {}
        return {**day_values(calendar, day, today), **opening}

    def _facts_for(self, match: Match) -> dict[str, str] | None:
        """The facts that the rule needs or recalls; None if one is not there."""
        found: dict[str, str] = {}
        for kind, template in match.rule.needs.items():
            wanted = compared(template.fill(match.values), self.language) if template else ""
            facts = reversed(self.conversed.facts[kind])
            newest = next((fact for fact in facts if wanted in self._compared(fact)), None)
            if newest is None:
                return None
            found[kind] = newest.text
        if kind := match.rule.recall:
            earlier = self._earlier(kind)
            if not earlier:
                return None
            found[kind] = earlier[self.talk.pick(f"recall {kind}", len(earlier))]
        return found

    def _compared(self, fact: Fact) -> str:
        if fact.compared is not None and fact.language == self.language.name:
            return fact.compared
        return compared(fact.text, self.language)

    def _earlier(self, kind: str) -> Sequence[str]:
        """Facts that were told a while ago, and that the companion has not spoken of lately."""
        now, lately = len(self.talk.turns), " ".join(self.talk.said[-SPOKEN_OF:]).lower()
        facts = self.conversed.facts[kind]
        return [fact.text for fact in facts if fact.turn < now - EARLIER and fact.text.lower() not in lately]


def _said(values: dict[str, str]) -> dict[str, str]:
    """Those of ``values`` that are not empty."""
    return values if all(values.values()) else {name: value for name, value in values.items() if value}
