"""A rules file as frozen values: languages, their rules, questions and facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import attrs

from .calendar import Calendar
from .desk import Desk, DeskForms
from .patterns import Captures, Pattern
from .sums import Sums
from .templates import Template
from .words import Clause, Tokenizer, TypedWord, join

ANY_MANNER = "any"


@attrs.frozen
class Sayings:
    """Variants of one thing to say, by manner; `ANY_MANNER` has those for all."""

    by_manner: Mapping[str, tuple[Template, ...]] = attrs.field(factory=dict)
    all: tuple[Template, ...] = attrs.field(init=False, eq=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.all)

    @all.default
    def _of_all_manners(self) -> tuple[Template, ...]:
        return tuple(template for variants in self.by_manner.values() for template in variants)


@attrs.frozen
class Rule:
    """When to say what. The rules file explains each field."""

    name: str
    line: int
    rank: int
    hear: tuple[Pattern, ...] = ()
    unlike: tuple[Pattern, ...] = ()
    event: str = ""
    turn: str = ""
    needs: Mapping[str, Template | None] = attrs.field(factory=dict)
    unless: tuple[str, ...] = ()
    recall: str = ""
    chance: int = 100
    remember: Mapping[str, Template] = attrs.field(factory=dict)
    forget: tuple[str, ...] = ()
    say: Sayings = attrs.field(factory=Sayings)
    aside: Sayings = attrs.field(factory=Sayings)
    then: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    goto: str = ""
    again: bool = False
    alone: bool = False
    due: bool = False
    about: str = ""
    after: str = ""

    def match(self, clause: Clause, text: str) -> tuple[Pattern, Captures] | None:
        """The weightiest pattern that fits, unless one of ``unlike`` fits too."""
        best: tuple[Pattern, Captures] | None = None
        here = clause.matched
        for pattern in self.hear:
            # As in `Pattern.match`, without the call: two thirds of all calls ended here.
            for words in pattern.required:
                if words.isdisjoint(here):
                    break
            else:
                lighter = best is not None and pattern.weight <= best[0].weight
                if not lighter and (captures := pattern.captures(clause, text)) is not None:
                    best = pattern, captures
        if best and any(pattern.match(clause, text) is not None for pattern in self.unlike):
            return None
        return best


@attrs.frozen
class CompanionQuestion:
    """Something that the companion may ask, and rules for what is answered to it."""

    name: str
    line: int
    ask: Sayings
    topic: bool = False
    again: bool = False
    unless: tuple[str, ...] = ()
    answers: tuple[Rule, ...] = ()

    def place_in(self, said: str) -> int:
        """Where in ``said`` it was asked; -1 if it was not."""
        place = -1
        for template in self.ask.all:
            # As in `Template.place_in`, without the call: of 300 that are looked for two stand there.
            if template.fragments and template.fragments[0] in said:
                place = max(place, template.place_in(said))
        return place


@attrs.frozen
class FactKind:
    """A kind of fact.

    ``listed`` is how it is told among others, if it is; there may be ``many``, or the newest is the
    fact; ``capital`` marks proper names.
    """

    name: str
    listed: Template | None = None
    many: bool = True
    capital: bool = False


@attrs.frozen
class Language:
    """All that is needed to converse in one language."""

    name: str
    script: str
    tokenizer: Tokenizer
    mirror: Mapping[tuple[str, ...], str]
    rules: tuple[Rule, ...]
    questions: Mapping[str, CompanionQuestion]
    facts: Mapping[str, FactKind]
    sums: Sums
    between: str = ", "
    last: str = " and "
    calendar: Calendar = attrs.field(factory=Calendar)
    desk: DeskForms = attrs.field(factory=DeskForms)
    classes: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """What ``<name>`` stands for in its patterns."""
    _index: Mapping[str, tuple[int, ...]] = attrs.field(init=False, repr=False)
    _always: tuple[int, ...] = attrs.field(init=False, repr=False)
    _by_name: Mapping[str, Rule] = attrs.field(init=False, repr=False)
    _targets: dict[tuple[str, int], Rule] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    # Without the index each of some 150 rules of a language would be tried on each clause. A pattern stands
    # there under the rarest words that it requires: of the rules with "you" or "is" in them nearly none fits.
    @_index.default
    def _by_rarest_word(self) -> Mapping[str, tuple[int, ...]]:
        patterns = [(number, pattern) for number, rule in enumerate(self.rules) for pattern in rule.hear]
        common = Counter(word for _, pattern in patterns for words in pattern.required for word in words)
        index: dict[str, set[int]] = {}
        for number, pattern in patterns:
            rarest = min(pattern.required, key=lambda words: sum(common[word] for word in words), default=())
            for word in rarest:
                index.setdefault(word, set()).add(number)
        return {word: tuple(numbers) for word, numbers in index.items()}

    @_always.default
    def _without_required_words(self) -> tuple[int, ...]:
        found = enumerate(self.rules)
        return tuple(number for number, rule in found if not all(pattern.required for pattern in rule.hear))

    @_by_name.default
    def _named(self) -> Mapping[str, Rule]:
        return {rule.name: rule for rule in self.rules}

    def rule(self, name: str) -> Rule:
        return self._by_name[name]

    def target(self, rule: Rule) -> Rule:
        """What ``rule`` goes to, at its own rank; itself, if it goes nowhere."""
        if not rule.goto:
            return rule
        # Kept, since to make one of 25 fields takes 20 µs.
        key = rule.goto, rule.rank
        if key not in self._targets:
            self._targets[key] = attrs.evolve(self.rule(rule.goto), rank=rule.rank)
        return self._targets[key]

    def rules_for(self, clause: Clause) -> Sequence[Rule]:
        """The rules that may fit the clause, in the file's order; others do not."""
        found = set(self._always)
        for word in clause.matched:
            found.update(self._index.get(word, ()))
        return [self.rules[number] for number in sorted(found)]

    def question_in(self, said: str) -> CompanionQuestion | None:
        """The question that was asked last in ``said``."""
        places = ((question.place_in(said), question) for question in self.questions.values())
        place, question = max(places, key=lambda found: found[0], default=(-1, None))
        return question if place >= 0 else None

    def mirrored(self, words: Sequence[TypedWord]) -> str:
        """``words`` without fillers and with the pronouns turned round: "my cat" as "your cat"."""
        words, at, turned = self.tokenizer.trimmed(words), 0, list[str]()
        while at < len(words):
            for length in (3, 2, 1):
                sequence = tuple(word.matched for word in words[at : at + length])
                if len(sequence) == length and sequence in self.mirror:
                    turned.append(self.mirror[sequence])
                    break
            else:
                length = 1
                turned.append(words[at].shown)
            at += length
        return join(turned)

    def listing(self, items: Sequence[str]) -> str:
        """``items`` as one phrase."""
        if len(items) < 2:
            return "".join(items)
        return self.between.join(items[:-1]) + self.last + items[-1]


@attrs.frozen
class Manner:
    """How much is said: at most ``sentences`` a reply, a question back in ``asks`` of a hundred."""

    name: str
    sentences: int
    asks: int


@attrs.frozen
class Companion:
    """A whole rules file. The first language is the one that stands in for languages it does not speak."""

    faces: Mapping[str, tuple[str, ...]]
    manners: Mapping[str, Manner]
    languages: tuple[Language, ...]
    desk: Desk = attrs.field(factory=Desk)

    def face(self, keyword: str, emotions: Sequence[str]) -> str:
        """How a character with these emotions writes ``[keyword]``; nothing if it has no such face."""
        found = next((name for name in self.faces.get(keyword, (keyword,)) if name in emotions), "")
        return f"[{found}] " if found else ""

    def patterns(self) -> Iterator[Pattern]:
        """Those of all rules, and of all answers to questions."""
        for language in self.languages:
            answers = (rule for question in language.questions.values() for rule in question.answers)
            for rule in chain(language.rules, answers):
                yield from (*rule.hear, *rule.unlike)

    def language_of(self, script: str) -> Language | None:
        return next((language for language in self.languages if language.script == script), None)
