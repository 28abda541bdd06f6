"""A rules file's text to `Companion`. The format is explained at the top of the file that is delivered."""

from __future__ import annotations

from collections.abc import Mapping

from .nodes import Fields, RulesNode, open_page
from .rule_reading import Scope
from .rules import Companion, FactKind, Language, Manner
from .sums import Sums
from .templates import parse_template
from .words import SCRIPTS, Tokenizer

_LANGUAGE = (
    *("script", "same", "breaks", "trims", "mirror", "between", "last", "sums", "words"),
    *("facts", "rules", "questions"),
)


def read_companion(text: str, file: str) -> Companion:
    """Raises `EngineError`, which names ``file``, the line, and what is wrong there."""
    page = open_page(text, file)
    fields = page.fields(("emotions", "manners", "languages"), required=("manners", "languages"))
    faces = fields.mapping("emotions", RulesNode.texts)
    manners = {key.text(): _manner(key.text(), place) for key, place in fields["manners"].entries()}
    languages = tuple(
        _language(key.text(), place, faces=faces, manners=manners)
        for key, place in fields["languages"].entries()
    )
    if not languages:
        raise fields["languages"].wrong("at least one language is expected here")
    return Companion(faces, manners, languages)


def _manner(name: str, place: RulesNode) -> Manner:
    fields = place.fields(("sentences", "asks"), required=("sentences", "asks"))
    return Manner(name, fields["sentences"].number(1, 10), fields["asks"].number(0, 100))


def _language(
    name: str, place: RulesNode, *, faces: Mapping[str, object], manners: Mapping[str, Manner]
) -> Language:
    fields = place.fields(_LANGUAGE, required=("script", "rules"))
    kinds = {key.text(): _kind(key.text(), entry) for key, entry in fields.entries("facts")}
    questions = dict(fields.mapping("questions", lambda entry: entry))
    tokenizer = _tokenizer(fields)
    scope = Scope(
        tokenizer=tokenizer,
        classes=fields.mapping("words", lambda words: "|".join(words.texts())),
        faces=tuple(faces),
        manners=tuple(manners),
        kinds=tuple(kinds),
        rules=_rule_names(fields["rules"]),
        questions=tuple(questions),
    )
    return Language(
        name=name,
        script=_script(fields["script"]),
        tokenizer=tokenizer,
        mirror={_sequence(key): value.text() for key, value in fields.entries("mirror")},
        rules=tuple(scope.rule(entry) for entry in fields["rules"].items()),
        questions={key: scope.question(key, entry) for key, entry in questions.items()},
        facts=kinds,
        sums=fields.read("sums", _sums, Sums()),
        between=fields.read("between", RulesNode.text, ", "),
        last=fields.read("last", RulesNode.text, " and "),
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


def _tokenizer(fields: Fields) -> Tokenizer:
    return Tokenizer(
        same={key.text().lower(): _sequence(value) for key, value in fields.entries("same")},
        breaks=_sequences(fields, "breaks"),
        trims=_sequences(fields, "trims"),
    )


def _sequences(fields: Fields, name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_sequence(item) for item in fields[name].items()) if name in fields else ()


def _sequence(place: RulesNode) -> tuple[str, ...]:
    words = Tokenizer().words(place.text())
    if not words:
        raise place.wrong(f"there is no word in {place.text()!r}")
    return words


def _sums(place: RulesNode) -> Sums:
    fields = place.fields(("numbers", "signs", "around"))
    signs = {key.text(): value.text() for key, value in fields.entries("signs")}
    for key, value in fields.entries("signs"):
        if value.text() not in "+-*/":
            raise value.wrong(f"{key.text()!r} must mean one of + - * /")
    return Sums(fields.mapping("numbers", RulesNode.text), signs, fields.read("around", RulesNode.texts, ()))
