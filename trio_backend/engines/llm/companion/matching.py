"""Which rules fit a conversation, and what they may say of it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .notebook import Match, Notebook, understand
from .rules import Language
from .signals import events
from .talk import Talk

EARLIER = 2
"""How many turns ago something must have been told, to be brought up again."""

SPOKEN_OF = 4
"""In how many of its last replies the companion looks for what it has brought up."""


@attrs.frozen
class Matcher:
    """A conversation with all that was understood of it."""

    language: Language
    talk: Talk
    notebook: Notebook
    character: str

    def fitting(self) -> list[Match]:
        """What fits and may be used now, with all its values, the best first; of equals the later clause."""
        usable = [match for found in self._found() if (match := self._completed(found))]
        return sorted(usable, key=lambda match: (match.order, match.clause), reverse=True)

    def known(self, kind: str) -> bool:
        """Whether the user told a fact of that kind."""
        return bool(self.notebook.of(kind, self.language))

    def _found(self) -> list[Match]:
        clauses = () if self.talk.nudged else self.language.tokenizer.clauses(self.talk.text)
        found = list(understand(self.language, clauses, self.talk.before))
        noticed = dict(events(self.talk, self.language, clauses))
        if found and max(found, key=lambda match: match.order).rule.again:
            noticed.pop("repeated", None)
        rules = (rule for rule in self.language.rules if rule.event in noticed)
        return found + [Match(rule, noticed[rule.event]) for rule in rules]

    def _completed(self, match: Match) -> Match | None:
        """``match`` with facts among its values, and with its ``goto`` followed; None if it is barred now."""
        rule = match.rule
        facts = self._facts_for(match)
        if facts is None or rule.turn == ("first" if self.talk.said else "later"):
            return None
        if any(self.known(kind) for kind in rule.unless) or not self._by_chance(match):
            return None
        target = attrs.evolve(self.language.rule(rule.goto), rank=rule.rank) if rule.goto else rule
        return attrs.evolve(match, rule=target, values=self._values(match) | facts)

    def _by_chance(self, match: Match) -> bool:
        return self.talk.pick(f"chance {match.rule.name}", 100) < match.rule.chance

    def _values(self, match: Match) -> dict[str, str]:
        """What the slots hold, the newest fact of each kind, all facts as one phrase, and the own name."""
        own = {
            "self": self.character,
            "name": self.talk.speaker,
            "facts": self.notebook.listed(self.language),
        }
        newest = {
            kind: facts[-1].text
            for kind in self.language.facts
            if (facts := self.notebook.of(kind, self.language))
        }
        # A fact that was told just now is written as facts of its kind are: names with a capital.
        told = {kind: text for kind, text in newest.items() if kind in match.rule.remember}
        values = own | newest | dict(match.values) | told
        return {name: value for name, value in values.items() if value}

    def _facts_for(self, match: Match) -> dict[str, str] | None:
        """The facts that the rule needs or recalls; None if one is not there."""
        found: dict[str, str] = {}
        for kind, template in match.rule.needs.items():
            wanted = self._plain(template.fill(match.values)) if template else ""
            facts = [
                fact for fact in self.notebook.of(kind, self.language) if wanted in self._plain(fact.text)
            ]
            if not facts:
                return None
            found[kind] = facts[-1].text
        if kind := match.rule.recall:
            earlier = self._earlier(kind)
            if not earlier:
                return None
            found[kind] = earlier[self.talk.pick(f"recall {kind}", len(earlier))]
        return found

    def _plain(self, text: str) -> str:
        return " ".join(self.language.tokenizer.words(text))

    def _earlier(self, kind: str) -> Sequence[str]:
        """Facts that were told a while ago, and that the companion has not spoken of lately."""
        now, lately = len(self.talk.turns), " ".join(self.talk.said[-SPOKEN_OF:]).lower()
        facts = self.notebook.of(kind, self.language)
        return [fact.text for fact in facts if fact.turn < now - EARLIER and fact.text.lower() not in lately]
