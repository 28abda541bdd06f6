"""What is understood of a conversation: of each message once, and of the one to be answered everything."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from itertools import chain

import attrs

from .calendar import DAY, Words
from .facts import Fact, FactChange, KnownFacts, compared, fact_change
from .rules import Companion, Language, Rule
from .talk import Talk, TurnReading, UserTurn
from .words import Clause, script_of

REPEATED = 3
"""How many of the messages before the newest one count when the user says the same again."""


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
class Understood:
    """One message of the user's, in the language it is read in, and all that fits it."""

    language: Language
    clauses: tuple[Clause, ...]
    matches: tuple[Match, ...]

    def changes(self) -> tuple[FactChange, ...]:
        """What it changes in the facts: of each clause what the best of its matches does."""
        best: dict[int, Match] = {}
        for match in self.matches:
            if match.clause not in best or match.order > best[match.clause].order:
                best[match.clause] = match
        changes = (fact_change(match.rule, match.values, self.language) for match in best.values())
        return tuple(change for change in changes if change)

    def about(self) -> str:
        """What the best of its rules that fit by themselves is about."""
        alone = (match for match in self.matches if not match.rule.after)
        best = max(alone, key=lambda match: match.order, default=None)
        return best.rule.about if best else ""

    def follows(self) -> frozenset[str]:
        """What it may go on with."""
        return frozenset(match.rule.after for match in self.matches if match.rule.after)

    def reading(self) -> TurnReading:
        """What is kept of it."""
        words = " ".join(word.matched for clause in self.clauses for word in clause.words)
        return TurnReading(self.language, words, self.changes(), self.about(), self.follows(), self.day())

    def day(self) -> Words:
        """The words for a day that the best rule with a slot for one has kept."""
        found = (match for match in self.matches if DAY in match.values)
        best = max(found, key=lambda match: match.order, default=None)
        return self.language.tokenizer.words(best.values[DAY]) if best else ()


def understand(language: Language, text: str, before: str) -> Generator[str, None, Understood]:
    """All rules that fit a clause, and the answers that fit to the question asked in ``before``.

    Yields after each clause, since a message may have a hundred.
    """
    clauses = language.tokenizer.clauses(text)
    yield ""
    question = language.question_in(before) if before and clauses else None
    answers = question.answers if question else ()
    matches: list[Match] = []
    for number, clause in enumerate(clauses):
        typed = clause.text
        for rule in (*answers, *language.rules_for(clause)):
            found = rule.match(clause, typed)
            if found:
                pattern, captures = found
                values = {slot: language.mirrored(words) for slot, words in captures.items()}
                matches.append(Match(rule, values, pattern.weight, number))
        yield ""
    return Understood(language, clauses, tuple(matches))


@attrs.define(eq=False)
class Subject:
    """What the messages so far are about, and the days that were named since it came up."""

    about: str = ""
    days: list[Words] = attrs.field(factory=list)

    def goes_on(self, follows: Collection[str]) -> bool:
        """Whether a message that may go on with these does: "hours" also goes on with a place's hours."""
        return self.about.rpartition(".")[2] in follows

    def go_on(self, reading: TurnReading) -> None:
        """After one more message."""
        if not self.goes_on(reading.follows):
            self.about, self.days = reading.about, []
        if reading.day:
            self.days.append(reading.day)


@attrs.frozen
class Conversed:
    """A conversation with all that was understood of it.

    ``newest`` is what is to be answered, None with a nudge; ``subject`` that of the messages before it;
    ``facts`` are those that can be said in ``language``, the one to answer in.
    """

    language: Language
    talk: Talk
    facts: Mapping[str, Sequence[Fact]]
    newest: Understood | None
    repeated: bool
    subject: Subject


def read_conversation(companion: Companion, talk: Talk) -> Generator[str, None, Conversed]:
    """Understand what was not read before, the message to be answered always; yields between small steps."""
    facts, newest, lately = KnownFacts(), None, list[tuple[UserTurn, TurnReading]]()
    if talk.speaker:
        facts.add(Fact("name", talk.speaker, turn=0, language=""))
    last, subject = len(talk.turns) - 1, Subject()
    for number, turn in enumerate(talk.turns):
        asked = number == last and not talk.nudged
        reading = None if asked else turn.reading
        if reading is None:
            language = companion.language_of(turn.script) or companion.languages[0]
            understood = yield from understand(language, turn.text, turn.before)
            reading = turn.reading = understood.reading()
            newest = understood if asked else None
        for change in reading.changes:
            facts.change(change, number)
        if not asked and (reading.about or subject.about):
            subject.go_on(reading)
        if number >= last - REPEATED:
            lately.append((turn, reading))
    language = _language_of(companion, talk)
    if newest and newest.language is not language:
        newest = yield from understand(language, talk.text, talk.before)
    *earlier, said = [_words(turn, reading, language) for turn, reading in lately] or [""]
    repeated = not talk.nudged and said != "" and said in earlier
    return Conversed(language, talk, facts.in_language(language), newest, repeated, subject)


def _words(turn: UserTurn, reading: TurnReading, language: Language) -> str:
    return reading.words if reading.language is language else compared(turn.text, language)


def _language_of(companion: Companion, talk: Talk) -> Language:
    """That of the newest text with letters in it; where that is not spoken, the first one."""
    newest_first = chain(
        (turn.script for turn in reversed(talk.turns)), (script_of(said) for said in reversed(talk.said))
    )
    script = next(filter(None, newest_first), "")
    return companion.language_of(script) or companion.languages[0]
