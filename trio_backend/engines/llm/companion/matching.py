"""What the user told so far, and which rules fit what they say now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from .rules import Companion, Language, Rule
from .talk import Talk, events
from .words import Clause, script_of


@attrs.frozen
class Match:
    """A rule that fits, with its slots' values (pronouns turned round) and how closely it fits."""

    rule: Rule
    values: Mapping[str, str]
    weight: int = 0
    clause: int = -1

    @property
    def order(self) -> tuple[int, int]:
        return self.rule.rank, self.weight


@attrs.frozen
class Fact:
    """One thing that the user told, as the companion says it, in the user's ``turn`` of that number."""

    kind: str
    text: str
    turn: int
    language: str


@attrs.define(eq=False)
class KnownFacts:
    """What the user told, oldest first. Collected anew for each reply: nothing is kept between calls."""

    all: list[Fact] = attrs.field(factory=list)

    def remember(self, match: Match, turn: int, language: Language) -> None:
        """Add what the rule of ``match`` remembers, and drop what it makes untrue."""
        rule, told = match.rule, {text.lower() for text in match.values.values()}
        self._forget(rule.forget, told)
        for kind, template in rule.remember.items():
            if template.needs <= match.values.keys():
                text = template.fill(match.values)
                self._add(Fact(kind, text, turn, language.name), language)

    def of(self, kind: str, language: Language) -> Sequence[Fact]:
        """The facts of a kind that can be said in ``language``: told in it, or proper names."""
        proper = kind in language.facts and language.facts[kind].capital
        return [fact for fact in self.all if fact.kind == kind and (proper or fact.language == language.name)]

    def listed(self, language: Language) -> str:
        """All facts as one phrase; empty if there are none."""
        phrases = []
        for kind in language.facts.values():
            texts = [fact.text for fact in self.of(kind.name, language)][-3:]
            if texts and kind.listed:
                phrases.append(kind.listed.fill({kind.name: language.listing(texts)}))
        return language.listing(phrases)

    def _add(self, fact: Fact, language: Language) -> None:
        kind = language.facts[fact.kind]
        if kind.capital:
            fact = attrs.evolve(fact, text=_capital(fact.text))
        known = [old for old in self.all if old.kind == fact.kind and old.text.lower() == fact.text.lower()]
        if not kind.many:
            self._forget((fact.kind,), set())
        if kind.many and known:
            return
        self.all.append(fact)

    def _forget(self, kinds: Sequence[str], texts: set[str]) -> None:
        self.all = [
            fact for fact in self.all if fact.kind not in kinds or (texts and fact.text.lower() not in texts)
        ]


def collect_facts(companion: Companion, talk: Talk, facts: KnownFacts) -> Iterator[None]:
    """Add to ``facts`` all that the user told, the last turn included; yields after each turn."""
    if talk.speaker:
        facts.all.append(Fact("name", talk.speaker, turn=0, language=""))
    for number, turn in enumerate(talk.turns):
        language = companion.language_of(script_of(turn.text)) or companion.languages[0]
        clauses = language.tokenizer.clauses(turn.text)
        best: dict[int, Match] = {}
        for match in understand(language, clauses, turn.before):
            if match.clause not in best or match.order > best[match.clause].order:
                best[match.clause] = match
        for match in best.values():
            facts.remember(match, number, language)
        yield


def understand(language: Language, clauses: Sequence[Clause], before: str) -> Iterator[Match]:
    """All rules that fit a clause, and the answers that fit to the question asked in ``before``."""
    question = language.question_in(before) if before else None
    answers = question.answers if question else ()
    for number, clause in enumerate(clauses):
        text = clause.text
        for rule in (*answers, *language.rules_for(clause)):
            found = rule.match(clause, text)
            if found:
                pattern, captures = found
                values = {slot: language.mirrored(words) for slot, words in captures.items()}
                yield Match(rule, values, pattern.weight, number)


def _capital(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


EARLIER = 2
"""How many turns ago something must have been told, to be brought up again."""

SPOKEN_OF = 4
"""In how many of its last replies the companion looks for what it has brought up."""


@attrs.frozen
class Matcher:
    """A conversation with all that was understood of it."""

    language: Language
    talk: Talk
    facts: KnownFacts
    character: str

    def fitting(self) -> list[Match]:
        """What fits and may be used now, with all its values, the best first; of equals the later clause."""
        usable = [match for found in self._found() if (match := self._completed(found))]
        return sorted(usable, key=lambda match: (match.order, match.clause), reverse=True)

    def known(self, kind: str) -> bool:
        """Whether the user told a fact of that kind."""
        return bool(self.facts.of(kind, self.language))

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
            "facts": self.facts.listed(self.language),
        }
        newest = {
            kind: facts[-1].text
            for kind in self.language.facts
            if (facts := self.facts.of(kind, self.language))
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
            facts = [fact for fact in self.facts.of(kind, self.language) if wanted in self._plain(fact.text)]
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
        facts = self.facts.of(kind, self.language)
        return [fact.text for fact in facts if fact.turn < now - EARLIER and fact.text.lower() not in lately]
