"""What the user told so far: the facts that rules with `remember` took from the conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from .rules import Companion, Language, Rule
from .talk import Talk
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
class Notebook:
    """Facts, oldest first. It is written anew for each reply: nothing is kept between calls."""

    facts: list[Fact] = attrs.field(factory=list)

    def write(self, match: Match, turn: int, language: Language) -> None:
        """Take down what ``match`` is to remember, and strike out what it makes untrue."""
        rule, told = match.rule, {text.lower() for text in match.values.values()}
        self._strike(rule.forget, told)
        for kind, template in rule.remember.items():
            if template.needs <= match.values.keys():
                text = template.fill(match.values)
                self._add(Fact(kind, text, turn, language.name), language)

    def of(self, kind: str, language: Language) -> Sequence[Fact]:
        """The facts of a kind that can be said in ``language``: told in it, or proper names."""
        proper = kind in language.facts and language.facts[kind].capital
        return [
            fact for fact in self.facts if fact.kind == kind and (proper or fact.language == language.name)
        ]

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
        known = [old for old in self.facts if old.kind == fact.kind and old.text.lower() == fact.text.lower()]
        if not kind.many:
            self._strike((fact.kind,), set())
        if kind.many and known:
            return
        self.facts.append(fact)

    def _strike(self, kinds: Sequence[str], texts: set[str]) -> None:
        self.facts = [
            fact
            for fact in self.facts
            if fact.kind not in kinds or (texts and fact.text.lower() not in texts)
        ]


def recollect(companion: Companion, talk: Talk, notebook: Notebook) -> Iterator[None]:
    """Write into ``notebook`` all that the user told, the last turn included; yields after each turn."""
    if talk.speaker:
        notebook.facts.append(Fact("name", talk.speaker, turn=0, language=""))
    for number, turn in enumerate(talk.turns):
        language = companion.language_of(script_of(turn.text)) or companion.languages[0]
        clauses = language.tokenizer.clauses(turn.text)
        best: dict[int, Match] = {}
        for match in understand(language, clauses, turn.before):
            if match.clause not in best or match.order > best[match.clause].order:
                best[match.clause] = match
        for match in best.values():
            notebook.write(match, number, language)
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
