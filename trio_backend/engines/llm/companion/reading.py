"""A rules file's text → `Companion`; each rule is checked against all that it may refer to.

The format is explained at the top of the file that is delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache

import attrs

from ....errors import PatternError
from .calendar import CLOCK_VALUES, DAY, Calendar
from .desk import DeskForms
from .desk_rules import DESK_VALUES
from .forms import day_class, read_calendar, read_desk_forms, read_sums, read_tokenizer, word_sequence
from .nodes import Fields, RulesNode, open_page, unknown
from .patterns import Pattern, PatternPart, compile_pattern
from .rules import ANY_MANNER, Companion, CompanionQuestion, FactKind, Language, Manner, Rule, Sayings
from .sums import Sums
from .talk import EVENTS
from .templates import Template, parse_template
from .words import SCRIPTS, Tokenizer

GIVEN = frozenset({"self", "sum", "result", "facts", *CLOCK_VALUES, *DESK_VALUES})
"""The values that may be said besides slots and facts."""

OpenFile = Callable[[str], str]
"""The text of the file of that name. Raises `OSError`."""

TOPIC = "topic"
"""Instead of a question's name: any that is marked as a topic."""

RANKS = (-100, 100)

_RULE = (
    *("rule", "rank", "hear", "unlike", "event", "turn", "needs", "unless", "recall", "chance"),
    *("remember", "forget", "say", "aside", "then", "ask", "goto", "again", "alone", "due", "about", "after"),
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

    _parsed: dict[str, PatternPart] = attrs.field(factory=dict, init=False, eq=False, repr=False)

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
            alone=fields.read("alone", RulesNode.switch, False),
            due=fields.read("due", RulesNode.switch, False),
            about=fields.read("about", RulesNode.text, ""),
            after=fields.read("after", RulesNode.text, ""),
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
            return compile_pattern(place.text(), self._words, self.classes, self._parsed)
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


_LANGUAGE = (
    *("script", "same", "breaks", "cuts", "resumes", "trims", "mirror", "between", "last", "sums", "words"),
    *("facts", "rules", "questions", "clock", "desk"),
)


def read_companion(text: str, file: str, open_file: OpenFile | None = None) -> Companion:
    """Raises `EngineError`, which names the file, the line, and what is wrong there.

    A language stands in ``text`` itself, or is the name of a file that ``open_file`` gives the text of.
    """
    page = open_page(text, file)
    fields = page.fields(("emotions", "manners", "languages"), required=("manners", "languages"))
    faces = fields.mapping("emotions", RulesNode.texts)
    manners = {key.text(): _manner(key.text(), place) for key, place in fields["manners"].entries()}
    languages = tuple(
        _language(key.text(), _language_page(place, open_file), faces=faces, manners=manners)
        for key, place in fields["languages"].entries()
    )
    if not languages:
        raise fields["languages"].wrong("at least one language is expected here")
    return Companion(faces, manners, languages)


def _language_page(place: RulesNode, open_file: OpenFile | None) -> RulesNode:
    """The language that stands in ``place``, or in the file that is named there."""
    if place.is_mapping or open_file is None:
        return place
    name = place.text()
    try:
        return open_page(open_file(name), name)
    except FileNotFoundError as error:
        raise place.wrong(f"there is no file {name!r} beside this one") from error


def _manner(name: str, place: RulesNode) -> Manner:
    fields = place.fields(("sentences", "asks"), required=("sentences", "asks"))
    return Manner(name, fields["sentences"].number(1, 10), fields["asks"].number(0, 100))


def _language(
    name: str, place: RulesNode, *, faces: Mapping[str, object], manners: Mapping[str, Manner]
) -> Language:
    fields = place.fields(_LANGUAGE, required=("script", "rules"))
    kinds = {key.text(): _kind(key.text(), entry) for key, entry in fields.entries("facts")}
    questions = dict(fields.mapping("questions", lambda entry: entry))
    tokenizer = read_tokenizer(fields)
    calendar = fields.read("clock", lambda at: read_calendar(at, tokenizer), Calendar())
    classes = {DAY: day_class(calendar), **fields.mapping("words", lambda words: "|".join(words.texts()))}
    names = _rule_names(fields["rules"])
    scope = Scope(
        tokenizer=tokenizer,
        classes={name: words for name, words in classes.items() if words},
        faces=tuple(faces),
        manners=tuple(manners),
        kinds=tuple(kinds),
        rules=names,
        questions=tuple(questions),
    )
    return Language(
        name=name,
        script=_script(fields["script"]),
        tokenizer=tokenizer,
        mirror={word_sequence(key): value.text() for key, value in fields.entries("mirror")},
        rules=tuple(scope.rule(entry) for entry in fields["rules"].items()),
        questions={key: scope.question(key, entry) for key, entry in questions.items()},
        facts=kinds,
        sums=fields.read("sums", read_sums, Sums()),
        between=fields.read("between", RulesNode.text, ", "),
        last=fields.read("last", RulesNode.text, " and "),
        calendar=calendar,
        desk=fields.read("desk", lambda at: read_desk_forms(at, names), DeskForms()),
        classes=scope.classes,
    )


def _rule_names(rules: RulesNode) -> tuple[str, ...]:
    names: dict[str, int] = {}
    for entry in rules.items():
        name = entry.mapping(lambda value: value).get("rule")
        if name is None:
            raise entry.wrong("a rule needs a name: `rule: NAME`")
        if name.text() in names:
            raise name.wrong(f"a rule {name.text()!r} stands in line {names[name.text()]} already")
        names[name.text()] = entry.line
    return tuple(names)


def _script(place: RulesNode) -> str:
    if place.text() not in SCRIPTS:
        raise place.wrong(f"the script is one of {', '.join(SCRIPTS)}, not {place.text()!r}")
    return place.text()


def _kind(name: str, place: RulesNode) -> FactKind:
    fields = place.fields(("listed", "many", "capital"))
    listed = parse_template(fields["listed"].text()) if "listed" in fields else None
    if listed and listed.names != {name}:
        raise fields["listed"].wrong(f"it must have {{{name}}} in it, and no other value")
    many = fields.read("many", RulesNode.switch, True)
    return FactKind(name, listed, many=many, capital=fields.read("capital", RulesNode.switch, False))
