"""What is said about a rules file that is wrong."""

from __future__ import annotations

import pytest

from trio_backend.engines.llm.companion.reading import read_companion
from trio_backend.errors import EngineError

from .dialogue import Dialogue

HEAD = """\
emotions: {joy: [joy, happy]}
manners: {warm: {sentences: 3, asks: 100}, dry: {sentences: 2, asks: 0}}
languages:
  en:
    script: latin
    mirror: {my: your, i: you}
    words: {hello: [hi, hello]}
    facts:
      name: {listed: "your name is {name}", many: false, capital: true}
      like: {listed: "you like {like}"}
    questions:
      name: {ask: ["Who are you?"], unless: name, answers: [{hear: "{name:1}", remember: {name: "{name}"}, say: "Ah, {name}."}]}
    rules:
      - rule: nothing
        event: nothing
        rank: 0
        say: ["Go on."]
"""  # noqa: E501


@pytest.mark.parametrize(
    ("rule", "line", "message"),
    [
        ("- rul: x", 18, "a rule needs a name"),
        ("- rule: nothing\n  event: nothing\n  say: x", 18, "a rule 'nothing' stands in line 14 already"),
        ("- rule: x\n  hear: hi\n  sai: Hello.", 20, "there is no field 'sai' (did you mean 'say'?)"),
        ("- rule: x\n  say: Hello.", 18, "a rule needs `hear` or `event`"),
        ("- rule: x\n  hear: hi", 18, "a rule needs `say`, `aside`, `then` or `goto`"),
        ("- rule: x\n  hear: (hi\n  say: Hello.", 19, "in the pattern '(hi': '(' is never closed"),
        ("- rule: x\n  hear: <hallo>\n  say: Hello.", 19, "there is no word class <hallo>"),
        ("- rule: x\n  hear: hi\n  say: 'Hello {nme}.'", 20, "no slot or fact 'nme' (did you mean 'name'?)"),
        ("- rule: x\n  hear: hi\n  say: '[yoy] Hello.'", 20, "no emotion 'yoy' (did you mean 'joy'?)"),
        ("- rule: x\n  hear: hi\n  say: {wram: Hello.}", 20, "no manner 'wram' (did you mean 'warm'?)"),
        ("- rule: x\n  hear: hi\n  ask: age\n  say: Hi.", 20, "there is no question 'age'"),
        ("- rule: x\n  hear: hi\n  goto: y", 20, "there is no rule 'y'"),
        ("- rule: x\n  event: noting\n  say: Hi.", 19, "no event 'noting' (did you mean 'nothing'?)"),
        ("- rule: x\n  hear: hi\n  rank: high\n  say: Hi.", 20, "a whole number between -100 and 100"),
        (
            "- rule: x\n  hear: hi\n  rank: 000000000999\n  say: Hi.",
            20,
            "a whole number between -100 and 100",
        ),
        ("- rule: x\n  hear: hi\n  again: yes\n  say: Hi.", 20, "true or false is expected here, not 'yes'"),
        ("- rule: x\n  hear: hi\n  remember: {nam: x}\n  say: Hi.", 20, "no kind of fact 'nam'"),
        ("- rule: x\n  hear: hi\n  hear: hello\n  say: Hi.", 20, "'hear' is here twice"),
        ("- rule: x\n  hear: hi\n  say: {any: [{a: b}]}", 20, "a text is expected here"),
        ("- rule: x\n hear: hi", 19, ""),
    ],
)
def test_a_mistake_is_named_with_file_and_line(rule: str, line: int, message: str) -> None:
    """Whoever writes a companion finds the place at once."""
    page = HEAD + "".join(f"      {part}\n" for part in rule.splitlines())

    with pytest.raises(EngineError) as caught:
        read_companion(page, "mine.yaml")

    assert str(caught.value).startswith(f"mine.yaml, line {line}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("", "the file is empty"),
        ("just text", "names with values are expected here"),
        ("a: 1\n\tb: 2", "mine.yaml, line 2: the line is indented with a tab; use spaces"),
        ("a: [", "mine.yaml, line"),
        ("manners: {}", "'languages' is missing"),
        ("manners: {}\nlanguages: {}", "at least one language"),
        ("manners: {a: {sentences: 99, asks: 1}}\nlanguages: {}", "a whole number between 1 and 10"),
        (
            HEAD.replace("script: latin", "script: runes"),
            "the script is one of latin, han, kana, not 'runes'",
        ),
        (HEAD.replace('"you like {like}"', '"you like it"'), "it must have {like} in it"),
    ],
)
def test_a_page_that_is_no_rules_file_is_refused(page: str, message: str) -> None:
    """With a sentence, not a traceback."""
    with pytest.raises(EngineError) as caught:
        read_companion(page, "mine.yaml")

    assert message in str(caught.value)


def test_a_companion_of_one_s_own_works_with_a_few_lines() -> None:
    """Facts, questions, mirrored pronouns, manners and asides, with a file that fits on a screen."""
    own = """
      - rule: like
        hear: i like {like}
        remember: {like: "{like}"}
        say: {any: "So {like} it is.", dry: "{like}, hm."}
        ask: name
      - rule: hello
        rank: 10
        hear: <hello>
        aside: "[joy] Hello!"
        say: "[joy] Hello{, name}!"
"""
    companion = read_companion(HEAD + own, "mine.yaml")
    warm = Dialogue(companion=companion, emotions=("happy",))

    assert warm.say("hi. I like my hat") == "[happy] Hello! So your hat it is. Who are you?"
    assert warm.say("ann") == "Ah, Ann."
    assert warm.say("something") == "Go on."
    assert warm.say("hello") == "[happy] Hello!"
    assert warm.say("whatever") == "Go on."
    assert warm.say("you there") == "Go on."
    assert warm.say("hi") == "[happy] Hello, Ann!"
    assert Dialogue("dry", companion=companion).say("I like tea") == "Tea, hm."
