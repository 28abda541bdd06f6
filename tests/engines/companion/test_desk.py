"""What a character's file says of its place: read, refused with its line, and told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from trio_backend.check import check
from trio_backend.config.load import packaged_conf, survey
from trio_backend.engines.llm.companion.desk_rules import with_desk
from trio_backend.engines.llm.companion.desk_settings import LONGEST, MOST, read_desk
from trio_backend.engines.llm.companion.rules import Companion
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.errors import EngineError, SettingsError

from .dialogue import Dialogue, delivered

WC = {"names": "toilet", "way": "Down the hall."}


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        ({"places": "toilet"}, "places", "must be a list"),
        ({"places": ["toilet"]}, "places[0]", "must be a section"),
        ({"places": [{"names": "toilet"}]}, "places[0].way", "is missing"),
        ({"places": [WC, {**WC, "wya": "x"}]}, "places[1].wya", "did you mean 'way'?"),
        ({"places": [{**WC, "names": []}]}, "places[0].names", "must have a text"),
        ({"places": [{**WC, "names": {"en": ["?!"]}}]}, "places[0].names.en", "there is no word in '?!'"),
        ({"places": [{**WC, "way": {"english": "x"}}]}, "places[0].way.english", "must be a language"),
        ({"places": [{**WC, "way": ""}]}, "places[0].way", "must be text"),
        ({"places": [{**WC, "way": "x" * (LONGEST + 1)}]}, "places[0].way", f"at most {LONGEST} characters"),
        ({"places": [WC] * (MOST + 1)}, "places", f"at most {MOST} items"),
        (
            {"places": [{**WC, "hours": {"monday": "x"}}]},
            "places[0].hours.monday",
            "must be like '9:00-18:00'",
        ),
        ({"hours": "9-18"}, "hours", "must be a section"),
        ({"hours": {"mnday": "9:00-18:00"}}, "hours.mnday", "did you mean 'monday'?"),
        ({"hours": {"monday": "9-18"}}, "hours.monday", "must be like '9:00-18:00'"),
        ({"hours": {"monday": "18:00-9:00"}}, "hours.monday", "ends before it begins"),
        ({"hours": {"monday": "9:00-25:00"}}, "hours.monday", "the day ends at 24:00"),
        ({"hours": {"monday": "9:00-12:00, 11:00-13:00"}}, "hours.monday", "one span after the other"),
        ({"hours": {"fri": "closed", "friday": "closed"}}, "hours.friday", "friday is here twice"),
        ({"hours": {"2026-02-30": "closed"}}, "hours.2026-02-30", "there is no such day"),
        ({"hours": {"monday": {"shut": "x"}}}, "hours.monday.shut", "this key is not known"),
        ({"faq": [{"ask": "wifi"}]}, "faq[0].answer", "is missing"),
        ({"faq": [{"ask": {"en": "(wifi"}, "answer": "x"}]}, "faq[0].ask.en", "'(' is never closed"),
        ({"contact": {"en": {"a": "b"}}}, "contact.en", "must be text"),
    ],
)
def test_a_wrong_setting_is_told_by_its_key(settings: dict[str, Any], key: str, message: str) -> None:
    """And in words that say what would be right."""
    with pytest.raises(SettingsError) as caught:
        read_desk(settings)
    assert caught.value.key == key
    assert message in caught.value.message


def test_all_mistakes_are_told_at_once() -> None:
    """The first, with the others in it."""
    with pytest.raises(SettingsError) as caught:
        read_desk({"places": [{"names": "wc"}], "hours": {"monday": "x"}, "contact": ""})
    assert [wrong.key for wrong in caught.value.others] == ["hours.monday", "contact"]


def test_check_tells_the_line(tmp_path: Path) -> None:
    """As for all of a character's file."""
    for file in packaged_conf().glob("*"):
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    kiosk = (packaged_conf() / "characters" / "kiosk.yaml").read_text("utf-8")
    (tmp_path / "characters").mkdir()
    wrong = kiosk.replace('saturday: "10:00-13:00, 14:00-16:00"', 'saturday: "10 to 4"')
    (tmp_path / "characters" / "kiosk.yaml").write_text(wrong, "utf-8")

    findings = [finding for finding in check(tmp_path / "conf.yaml", {}) if "hours" in finding.key]

    line = next(number for number, text in enumerate(wrong.splitlines(), 1) if "10 to 4" in text)
    assert [(found.line, found.key.rpartition("scripted_llm.")[2]) for found in findings] == [
        (line, "hours.saturday")
    ]


def told(settings: dict[str, Any], *texts: str, now: str = "2026-11-20T14:05") -> str:
    """What a character with these settings answers last."""
    dialogue = Dialogue("brief", companion=desk(settings), now=datetime.fromisoformat(now))
    return [dialogue.say(text) for text in texts][-1]


def desk(settings: dict[str, Any]) -> Companion:
    return with_desk(delivered(), read_desk(settings))


def test_a_text_for_all_languages_answers_in_each() -> None:
    """What has no text in the user's language is told in the first one."""
    assert told({"places": [WC]}, "toilet?") == "Down the hall."
    assert (
        told({"places": [{"names": {"ja": "売店"}, "way": {"ja": "右です。"}}]}, "売店はどこですか")
        == "右です。"
    )
    assert (
        told({"places": [{**WC, "way": {"zh": "左边。", "en": "Left."}}]}, "where is the toilet") == "Left."
    )


@pytest.mark.parametrize(
    "typed", ["where's the cafetria", "cafeteira?", "cafeterias?", "the cafeteria please"]
)
def test_slips_of_the_pen_find_the_place(typed: str) -> None:
    """A letter missing, two that changed places, or an s behind."""
    assert told({"places": [{"names": "cafeteria", "way": "Upstairs."}]}, typed) == "Upstairs."


def test_a_character_without_a_desk_says_nothing_of_one() -> None:
    """The rules for hours, contacts and places are not used."""
    for text in ("are you open?", "where is the toilet?", "can I speak to a human?", "and tomorrow?"):
        said = Dialogue("brief", now=datetime(2026, 11, 20)).say(text)
        assert "{" not in said
        assert "open" not in said


def test_braces_and_brackets_of_a_text_are_said_as_they_stand() -> None:
    """An answer is no template."""
    assert told({"places": [{**WC, "way": "Press {1} [red]."}]}, "toilet?") == "Press {1} [red]."


def test_what_is_not_known_names_whom_to_ask() -> None:
    """Places, prices, and questions of all kinds."""
    contact = {"contact": "Ask Tom.", "places": [WC]}
    for text in ("where is the moon?", "how much is a ticket?", "who built this?", "I need help"):
        assert "Ask Tom." in told(contact, text), text
    assert "Ask Tom." not in told(contact, "where is the toilet?")


def test_a_pattern_of_a_question_may_use_the_words_of_the_rules() -> None:
    """Its classes, too; one that does not exist is an error that names the question."""
    faq = {"faq": [{"ask": {"en": ["<hello> boss"]}, "answer": "I'm not the boss."}]}
    assert "not the boss" in told(faq, "hi boss")
    with pytest.raises(EngineError, match=r"faq\[0\].ask: in the pattern '<nothing>'"):
        desk({"faq": [{"ask": {"en": ["<nothing>"]}, "answer": "x"}]})


def test_a_place_s_own_hours_are_told_for_it_alone() -> None:
    """And a question after it goes on with them."""
    settings = {
        "places": [{**WC, "names": "café", "hours": {"monday-sunday": "10:00-17:00", "sat": "closed"}}],
        "hours": {"monday-sunday": "9:00-19:00"},
    }
    assert "5:00 pm" in told(settings, "is the café open?")
    assert "7:00 pm" in told(settings, "are you open?")
    assert "closed" in told(settings, "is the café open?", "and tomorrow?")
    assert "7:00 pm" in told(settings, "are you open?", "and tomorrow?")
    assert "7:00 pm" not in told(settings, "thanks", "and tomorrow?")


def test_both_questions_of_a_message_are_answered() -> None:
    """Also by a brief character, whose replies have two sentences."""
    settings = {"places": [{**WC, "way": "Left. Then right."}], "hours": {"monday-sunday": "9:00-19:00"}}
    said = told(settings, "where is the toilet and when do you close?")
    assert "Then right." in said
    assert "7:00 pm" in said


def test_an_empty_desk_leaves_the_companion_as_it_is() -> None:
    """Characters without places share one set of rules."""
    assert desk({}) is delivered()
    assert attrs.evolve(desk({"contact": "Ask Tom."})).desk.contact == {"": "Ask Tom."}


def test_the_page_about_characters_shows_a_desk_that_works() -> None:
    """Its example is read, and answers what it says."""
    page = (packaged_conf().parent / "docs" / "characters.md").read_text("utf-8")
    character = yaml.load(page.partition("```yaml\n")[2].partition("```")[0], Loader=yaml.BaseLoader)
    settings = character["character_config"]["agent_config"]["llm_configs"]["scripted_llm"]

    assert told(settings, "where are the restrooms?") == "The toilets are behind the stairs."
    assert "ticket office" in told(settings, "can I speak to a human?")
    assert "Christmas Day" in told(settings, "are you open on Christmas?")
    assert "6:00 pm" in told(settings, "are you open?")
    assert "階段の裏" in told(settings, "トイレはどこですか")


def test_every_shipped_character_can_share_its_engines() -> None:
    """A session looks for an engine that is open by the hash of its settings."""
    characters = survey(packaged_conf() / "conf.yaml", {}).characters
    assert len(characters) >= 5
    for character in characters:
        for choice in (character.llm, character.tts):
            environment = Environment(choice.folder, {})
            hash(configure(choice.kind, choice.name, choice.settings, environment=environment))
