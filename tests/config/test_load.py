"""Loading a configuration: values, the environment, overlays, and errors that say where and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_backend.config.character import NUDGE, EngineChoice
from trio_backend.config.load import load_config, survey
from trio_backend.errors import ConfigError

from .conftest import BASE, Write


def lines(path: Path, **environ: str) -> list[str]:
    """All findings about ``path``, each with its severity in front."""
    return [f"{found.severity}: {found}" for found in survey(path, environ).findings]


def test_a_short_file_is_enough(write: Write) -> None:
    """Name, identifier and persona are all that must be written; the rest has defaults."""
    loaded = load_config(write({"conf.yaml": BASE}), environ={})

    character = loaded.config.character
    assert loaded.findings == ()
    assert (loaded.config.system.host, loaded.config.system.port) == ("127.0.0.1", 12393)
    assert (character.file, character.character_name) == ("conf.yaml", "Ann")
    assert (character.llm.name, character.tts.name) == ("scripted_llm", "espeak_tts")
    assert (character.asr, character.vad) == (None, None)
    assert character.system_prompt == "You are Ann."
    assert character.nudge_prompt == NUDGE


def test_six_mistakes_are_all_named_with_file_line_key_and_remedy(write: Write) -> None:
    """One look at the findings is enough to put a file right."""
    path = write(
        {
            "conf.yaml": """\
            system_config:
              port: 99999
              prot: 1
              allowed_origins: localhost
              tls_key: key.pem
            character_config:
              conf_name: Ann
              conf_uid: 7
              persona_prompt: You are Ann.
              tts_config:
                tts_model: espeak_tts
                espeak_tts:
                  voice: ${VOICE}
            """
        }
    )

    voice = "character_config.tts_config.espeak_tts.voice"
    assert lines(path) == [
        "error: conf.yaml:2: system_config.port: got 99999; must be a number from 0 to 65 535",
        "warning: conf.yaml:3: system_config.prot: this key is not known; did you mean 'port'?",
        "error: conf.yaml:4: system_config.allowed_origins: got 'localhost'; must be a list, such as [a, b]",
        "error: conf.yaml:5: system_config.tls_key: is of no use alone; TLS needs both tls_certificate and "
        "tls_key",
        "error: conf.yaml:8: character_config.conf_uid: got 7; must be text, in quotes if it looks like "
        "something else",
        f"error: conf.yaml:13: {voice}: the environment variable VOICE is not set; set it, or write "
        "${VOICE:-a default}",
    ]


def test_loading_raises_one_line_per_mistake(write: Write) -> None:
    """The exception's text holds the errors, and only them."""
    system = "system_config: {port: x, host: 1, max_message_size: true, nonsense: 1}"
    path = write({"conf.yaml": f"{system}\ncharacter_config:\n  conf_name: Ann\n  conf_uid: ''\n"})

    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})

    assert str(caught.value).splitlines() == [
        "conf.yaml:1: system_config.host: got 1; must be text, in quotes if it looks like something else",
        "conf.yaml:1: system_config.port: got 'x'; must be a whole number",
        "conf.yaml:1: system_config.max_message_size: got 'true'; must be a whole number",
        "conf.yaml:2: character_config.persona_prompt: is missing; every character needs one",
        "conf.yaml:4: character_config.conf_uid: is empty; every character needs one",
    ]


def test_a_secret_is_in_no_finding_and_in_no_repr(write: Write) -> None:
    """Neither the token in the file nor what a variable holds is ever shown."""
    text = f"system_config: {{access_token: 4711, port: '${{PORT}}', tool_prompts: [hush]}}\n{BASE}"
    wrong = write({"conf.yaml": text})

    said = " ".join(lines(wrong, PORT="hush"))

    assert "hush" not in said
    assert "4711" not in said
    assert "system_config.access_token: the value is wrong; must be text" in said
    inside = write({"conf.yaml": f"system_config: {{tool_prompts: {{one: 4711}}}}\n{BASE}"})
    assert "4711" not in " ".join(lines(inside))
    assert "system_config.port: got '${PORT}'; must be a whole number" in said
    right = write({"conf.yaml": f"system_config: {{access_token: hush}}\n{BASE}"})
    config = load_config(right, environ={}).config
    assert config.system.access_token == "hush"
    assert "hush" not in repr(config)
    assert "You are Ann" not in repr(config)


def test_variables_stand_for_values_of_any_type(write: Write) -> None:
    """Unquoted, a variable may hold a number; a default follows ``:-``; two dollars mean themselves."""
    path = write(
        {
            "conf.yaml": """\
system_config:
  port: ${PORT}
  host: ${HOST:-0.0.0.0}
  preload: ${PRELOAD:-false}
  access_token: 'a-${TOKEN}-$${TOKEN}'
"""
            + BASE.replace("You are Ann.", "${WHO:-}Ann ${A} ${B}")
        }
    )

    config = load_config(path, environ={"PORT": "80", "TOKEN": "007", "A": "a", "B": "${A}"}).config

    system = config.system
    assert (system.port, system.host, system.preload) == (80, "0.0.0.0", False)
    assert system.access_token == "a-007-${TOKEN}"
    assert config.character.persona_prompt == "Ann a ${A}"


def test_a_variable_is_asked_for_only_where_its_value_is_used(write: Write) -> None:
    """Engines that are not chosen, and keys that nobody knows, may name variables that are not set."""
    agent = "agent_config: {llm_configs: {other_llm: {key: '${NOT_SET}'}}}"
    path = write({"conf.yaml": f"{BASE}  {agent}\n  hobby: '${{NOT_SET}}'\n"})

    loaded = load_config(path, environ={})

    assert [finding.key for finding in loaded.findings] == ["character_config.hobby"]


def test_a_character_is_laid_over_the_base(write: Write) -> None:
    """Mappings are merged, scalars and lists replaced; each setting is located in the file it came from."""
    path = write(
        {
            "conf.yaml": BASE
            + """\
  tts_config:
    tts_model: espeak_tts
    espeak_tts:
      voice: en
      speed: 175
      effects: [a, b]
""",
            "characters/bob.yaml": """\
            character_config:
              conf_name: Bob
              conf_uid: bob_001
              tts_config:
                espeak_tts:
                  voice: en-gb
                  effects: [c]
            """,
        }
    )

    seen = survey(path, {})

    assert seen.findings == ()
    ann, bob = seen.characters
    assert (bob.file, bob.conf_name, bob.persona_prompt) == ("bob.yaml", "Bob", "You are Ann.")
    assert bob.tts.settings == {"voice": "en-gb", "speed": 175, "effects": ["c"]}
    assert ann.tts.settings == {"voice": "en", "speed": 175, "effects": ["a", "b"]}
    key = "character_config.tts_config.espeak_tts"
    assert bob.tts.locate("voice") == f"characters/bob.yaml:6: {key}.voice"
    assert bob.tts.locate("speed") == f"conf.yaml:9: {key}.speed"
    assert bob.tts.locate("pitch") == f"characters/bob.yaml:5: {key}.pitch"
    assert bob.llm.locate("manner") == (
        "characters/bob.yaml:1: character_config.agent_config.llm_configs.scripted_llm.manner"
    )


def test_equal_engines_are_equal_wherever_they_were_written(write: Write) -> None:
    """Two characters with the same settings choose the same engine."""
    other = "character_config: {conf_name: Bob, conf_uid: bob, tts_config: {espeak_tts: {voice: en}}}"
    voice = "  tts_config: {espeak_tts: {voice: en}}\n"
    ann, bob = survey(write({"conf.yaml": BASE + voice, "characters/b.yaml": other}), {}).characters

    assert ann.tts == bob.tts
    assert ann.tts.where("voice") != bob.tts.where("voice")
    assert len({ann.tts, bob.tts}) == 1


def test_findings_about_the_base_are_told_once(write: Write) -> None:
    """However many characters stand on the base, its mistakes are found once; theirs name their own file."""
    bob = "character_config: {conf_name: Bob, conf_uid: bob, colour: red, avatar: [1]}\nsystem_config: {}\n"
    path = write(
        {"conf.yaml": BASE + "  hobby: chess\n", "characters/b.yaml": bob, "characters/c.yaml": "a: 1\n"}
    )

    assert lines(path) == [
        "warning: conf.yaml:5: character_config.hobby: this key is not known; it changes nothing",
        "warning: characters/b.yaml:1: character_config.colour: this key is not known; it changes nothing",
        "error: characters/b.yaml:1: character_config.avatar: the value is wrong; must be text, in quotes if "
        "it looks like something else",
        "warning: characters/b.yaml:2: system_config: this key is not known; here counts only "
        "character_config",
        "error: characters/c.yaml:1: character_config: is missing; see conf.yaml",
    ]


def test_two_characters_of_one_identifier_are_told_that_they_share_their_past(write: Write) -> None:
    """Conversations are kept under the identifier, so that a copied one is a warning."""
    path = write({"conf.yaml": BASE, "characters/b.yaml": "character_config: {conf_name: Bob}"})

    assert lines(path) == [
        "warning: characters/b.yaml: character_config.conf_uid: 'ann_001' is also that of conf.yaml; "
        "they share their conversations; give each its own"
    ]


def test_another_agent_is_a_warning_that_names_what_is_used(write: Write) -> None:
    """Agents that were services of their own are not here; the character converses all the same."""
    agent = (
        "  agent_config: {conversation_agent_choice: letta_agent, agent_settings: {letta_agent: {id: x}}}\n"
    )

    assert lines(write({"conf.yaml": BASE + agent})) == [
        "warning: conf.yaml:5: character_config.agent_config.conversation_agent_choice: there is no agent "
        "'letta_agent' here, and its settings are not used; basic_memory_agent answers, with its "
        "llm_provider scripted_llm"
    ]


def test_what_the_server_needs_on_disk_is_checked(write: Write) -> None:
    """Folders and certificates that are not there are found before the server starts."""
    system = "system_config: {frontend_dir: page, tls_certificate: c.pem, tls_key: k.pem, pong_timeout: 20}\n"
    path = write({"conf.yaml": system + BASE, "k.pem": ""})

    found = {finding.key: finding.message for finding in survey(path, {}).findings}

    assert found == {
        "system_config.frontend_dir": "there is no folder 'page'",
        "system_config.tls_certificate": "there is no file 'c.pem'",
        "system_config.pong_timeout": "is not longer than ping_interval",
    }
    (path.parent / "page").mkdir()
    (path.parent / "c.pem").touch()
    config = load_config(write({"conf.yaml": system.replace("20", "21") + BASE}), environ={}).config
    root = path.parent
    assert config.tls == (root / "c.pem", root / "k.pem")
    assert config.frontend == root / "page"


def test_a_turn_model_is_a_file(write: Write) -> None:
    """There is none unless one is named; its path is told with the place where it stands."""
    assert load_config(write({"conf.yaml": BASE}), environ={}).config.character.turn is None
    named = BASE + "  vad_config: {turn_model: models/turn.onnx}\n"
    path = write({"conf.yaml": named})
    turn = load_config(path, environ={}).config.character.turn
    assert turn == EngineChoice("turn", "smart_turn", {"model": "models/turn.onnx"}, path.parent)
    assert turn.locate() == "conf.yaml:5: character_config.vad_config.turn_model"


def test_the_shortest_silence_is_not_the_longer_one(write: Write) -> None:
    """Both may be the same: then every turn ends after a fixed silence."""
    system = "system_config: {min_silence: 1.7}\n"
    found = {
        finding.key: finding.message for finding in survey(write({"conf.yaml": system + BASE}), {}).findings
    }

    assert found == {"system_config.min_silence": "is longer than max_silence"}
    assert load_config(write({"conf.yaml": system.replace("1.7", "1.6") + BASE}), environ={}).config


@pytest.mark.parametrize(
    ("origins", "good"),
    [
        ("[same-host, localhost, file, 'null', '*']", True),
        ("['https://example.org', 'http://[::1]:8080', 'file://']", False),
        ("['https://example.org', 'http://[::1]:8080']", True),
        ("[example.org]", False),
        ("['https://example.org/']", False),
        ("[1]", False),
    ],
)
def test_origins_are_words_or_what_browsers_send(write: Write, origins: str, good: bool) -> None:
    """An entry that no browser would ever send is an error, not a page that is silently shut out."""
    path = write({"conf.yaml": f"system_config: {{allowed_origins: {origins}}}\n{BASE}"})

    assert (lines(path) == []) is good


@pytest.mark.parametrize(
    ("proxies", "good"),
    [
        ("[10.0.0.0/8, 192.168.1.20, '::1', 'fd00::/8']", True),
        ("[10.0.0.1/8]", True),
        ("[localhost]", False),
        ("[10.0.0.0/99]", False),
        ("['']", False),
    ],
)
def test_trusted_proxies_are_addresses_or_networks(write: Write, proxies: str, good: bool) -> None:
    """A name could come to mean another machine, which would then be believed."""
    path = write({"conf.yaml": f"system_config: {{trusted_proxies: {proxies}}}\n{BASE}"})

    assert (lines(path) == []) is good


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Loading what is not there says so, like any other mistake."""
    with pytest.raises(ConfigError, match=r"^conf\.yaml: there is no such file$"):
        load_config(tmp_path / "conf.yaml", environ={})


@pytest.mark.parametrize("section", ["system_config: 5\n", "character_config: [a]\n"])
def test_a_section_must_be_a_section(write: Write, section: str) -> None:
    """A scalar or a list in a section's place is an error at its line."""
    text = section + (BASE if section.startswith("system") else "")

    assert "conf.yaml:1" in lines(write({"conf.yaml": text}))[0]
    assert "must be a section with keys of its own" in lines(write({"conf.yaml": text}))[0]


def test_speculation_is_one_of_three_words(write: Write) -> None:
    """``off`` without quotes is a word here, whatever YAML makes of it; a wrong one is named."""
    for word in ("off", "cautious", "eager", "'off'"):
        path = write({"conf.yaml": f"system_config: {{speculation: {word}}}\n{BASE}"})
        assert load_config(path, environ={}).config.system.speculation == word.strip("'")
    wrong = "system_config: {speculation: fast, speculation_waste: 2, eager_silence: 0}\n"
    found = {
        finding.key: finding.message for finding in survey(write({"conf.yaml": wrong + BASE}), {}).findings
    }
    assert found == {
        "system_config.speculation": "got 'fast'",
        "system_config.speculation_waste": "got 2",
        "system_config.eager_silence": "got 0",
    }
