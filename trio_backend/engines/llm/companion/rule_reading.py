"""One rule or question of a rules file, checked against all that it may refer to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache

import attrs

from ....errors import PatternError
from .nodes import Fields, RulesNode, unknown
from .patterns import Pattern, compile_pattern
from .rules import ANY_MANNER, CompanionQuestion, Rule, Sayings
from .signals import EVENTS
from .templates import Template, parse_template
from .words import Tokenizer

GIVEN = frozenset({"self", "sum", "result", "facts"})
"""The values that may be said besides slots and facts."""

TOPIC = "topic"
"""Instead of a question's name: any that is marked as a topic."""

RANKS = (-100, 100)

_RULE = (
    *("rule", "rank", "hear", "unlike", "event", "turn", "needs", "unless", "recall", "chance"),
    *("remember", "forget", "say", "aside", "then", "ask", "goto", "again"),
)
_ANSWER_RANK, _RULE_RANK = 40, 20


@attrs.frozen
class Scope:
    """The names that rules of one language may use."""

    tokenizer: Tokenizer
    classes: Mapping[str, str]
    faces: Collection[str]
    manners: Collection[str]
    kinds: Collection[str]
    rules: Collection[str]
    questions: Collection[str]
    # The delivered patterns have 19 000 words, of which 3 600 differ.
    _words: Callable[[str], tuple[str, ...]] = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda scope: cache(scope.tokenizer.words), True),
    )

    def rule(self, place: RulesNode, *, answer_to: str = "") -> Rule:
        """A rule, or one of the answers to a question."""
        fields = place.fields(_RULE)
        hear = self._patterns(fields, "hear")
        slots = {slot.lower() for pattern in hear for slot in pattern.slots}
        known = slots | set(self.kinds) | GIVEN
        rule = Rule(
            name=f"{answer_to}, line {place.line}" if answer_to else fields["rule"].text(),
            line=place.line,
            rank=fields.read("rank", _rank, _ANSWER_RANK if answer_to else _RULE_RANK),
            hear=hear,
            unlike=self._patterns(fields, "unlike"),
            event=fields.read("event", lambda at: _one_of(at, "event", EVENTS), ""),
            turn=fields.read("turn", lambda at: _one_of(at, "turn", ("first", "later")), ""),
            needs=fields.read("needs", lambda at: self._needs(at, known), {}),
            unless=fields.read("unless", self._kinds, ()),
            recall=fields.read("recall", self._kind, ""),
            chance=fields.read("chance", lambda at: at.number(1, 100), 100),
            remember=self._remember(fields, known),
            forget=fields.read("forget", self._kinds, ()),
            say=fields.read("say", lambda at: self.sayings(at, known), Sayings()),
            aside=fields.read("aside", lambda at: self.sayings(at, known), Sayings()),
            then=fields.read("then", self._questions, ()),
            ask=fields.read("ask", self._questions, ()),
            goto=fields.read("goto", lambda at: _one_of(at, "rule", self.rules), ""),
            again=fields.read("again", RulesNode.switch, False),
        )
        if not (hear or rule.event):
            raise place.wrong("a rule needs `hear` or `event`")
        if not (rule.say or rule.aside or rule.then or rule.goto):
            raise place.wrong("a rule needs `say`, `aside`, `then` or `goto`")
        return rule

    def question(self, name: str, place: RulesNode) -> CompanionQuestion:
        fields = place.fields(("ask", "topic", "again", "unless", "answers"), required=("ask",))
        answers = fields["answers"].items() if "answers" in fields else ()
        return CompanionQuestion(
            name=name,
            line=place.line,
            ask=self.sayings(fields["ask"], set(self.kinds) | GIVEN),
            topic=fields.read("topic", RulesNode.switch, False),
            again=fields.read("again", RulesNode.switch, False),
            unless=fields.read("unless", self._kinds, ()),
            answers=tuple(self.rule(answer, answer_to=name) for answer in answers),
        )

    def sayings(self, place: RulesNode, known: Collection[str]) -> Sayings:
        """A list of variants, or a list for each manner."""
        if not place.is_mapping:
            return Sayings({ANY_MANNER: tuple(self.template(item, known) for item in place.items())})
        by_manner = {}
        for manner, variants in place.entries():
            _one_of(manner, "manner", (*self.manners, ANY_MANNER))
            by_manner[manner.text()] = tuple(self.template(item, known) for item in variants.items())
        return Sayings(by_manner)

    def template(self, place: RulesNode, known: Collection[str]) -> Template:
        template = parse_template(place.text())
        for face in sorted(template.faces - set(self.faces)):
            raise place.wrong(unknown("emotion", face, self.faces))
        for name in sorted(template.names - set(known)):
            raise place.wrong(unknown("slot or fact", name, known))
        return template

    def _patterns(self, fields: Fields, name: str) -> tuple[Pattern, ...]:
        return tuple(self._pattern(item) for item in fields[name].items()) if name in fields else ()

    def _pattern(self, place: RulesNode) -> Pattern:
        try:
            return compile_pattern(place.text(), self._words, self.classes)
        except PatternError as error:
            raise place.wrong(f"in the pattern {place.text()!r}: {error}") from error

    def _needs(self, place: RulesNode, known: Collection[str]) -> Mapping[str, Template | None]:
        if not place.is_mapping:
            return dict.fromkeys(self._kinds(place))
        return {self._kind(kind): self.template(value, known) for kind, value in place.entries()}

    def _remember(self, fields: Fields, known: Collection[str]) -> Mapping[str, Template]:
        entries = fields["remember"].entries() if "remember" in fields else ()
        return {self._kind(kind): self.template(value, known) for kind, value in entries}

    def _kind(self, place: RulesNode) -> str:
        return _one_of(place, "kind of fact", self.kinds)

    def _kinds(self, place: RulesNode) -> tuple[str, ...]:
        return tuple(self._kind(item) for item in place.items())

    def _questions(self, place: RulesNode) -> tuple[str, ...]:
        return tuple(_one_of(item, "question", (*self.questions, TOPIC)) for item in place.items())


def _rank(place: RulesNode) -> int:
    return place.number(*RANKS)


def _one_of(place: RulesNode, what: str, known: Collection[str]) -> str:
    if place.text() not in known:
        raise place.wrong(unknown(what, place.text(), known))
    return place.text()
