"""The files that `init` writes: `check` finds nothing in them, whatever was answered."""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

import attrs
import pytest

from tests.setup.test_answers import ODD
from trio_backend.check import look_at
from trio_backend.config.folder import Config
from trio_backend.config.load import load_config
from trio_backend.setup.answers import Answers, cleaned_name
from trio_backend.setup.catalogue import EngineOption, Surroundings
from trio_backend.setup.command import new_files
from trio_backend.setup.flags import LanguageCode
from trio_backend.setup.languages import TEXTS
from trio_backend.setup.nearby import FoundNames, LookedAt
from trio_backend.setup.offers import MODEL_SERVICES, models, recognisers, voices
from trio_backend.setup.writing import write_all

SERVICES = ("OPENAI", "ANTHROPIC", "DEEPSEEK", "GEMINI", "GROQ", "MISTRAL", "ZHIPUAI")
ENVIRON = {f"{service}_API_KEY": "sk-from-the-environment" for service in SERVICES}
FOUND = {
    "ollama": (11434, FoundNames(models=("qwen2.5:latest",))),
    "lmstudio": (1234, FoundNames(models=("lmstudio-community/qwen2.5-7b",))),
    "llamacpp": (8080, FoundNames(models=("Llama 3.1 (8B).gguf",))),
    "server": (8000, FoundNames(models=("m",), recognisers=("whisper-1",), speakers=("tts-1",))),
    "kokoro": (8880, FoundNames(voices=("af_sky", "zf_xiaobei", "jf_alpha"))),
    "xtts": (8020, FoundNames(voices=("小雪",))),
    "wyoming-voice": (10200, FoundNames(voices=("en_US-lessac-medium",))),
    "wyoming-microphone": (10300, FoundNames(recognisers=("small-int8",))),
}
LOOKED = [LookedAt(source, source, port, "found", found) for source, (port, found) in FOUND.items()]


def around(language: LanguageCode, host: str = "127.0.0.1") -> Surroundings:
    return Surroundings(host, LOOKED, language)


def answers(language: LanguageCode = "en", **changes: object) -> Answers:
    """The suggestions of a machine on which nothing runs, with ``changes``."""
    bare = Surroundings("127.0.0.1", (), language)
    suggested = Answers(
        language,
        TEXTS[language].character.name,
        models(bare).offered[-1],
        next(each for each in voices(bare).offered if each.source == "espeak"),
        recognisers(bare).offered[-1],
        "always",
        "this-machine",
        12393,
    )
    return attrs.evolve(suggested, **changes)  # type: ignore[arg-type]


def write(folder: Path, given: Answers) -> Config:
    """The configuration of these answers, in which nothing is found, not even a note."""
    write_all(new_files(folder, given), replace=False)
    checked = look_at(folder / "conf.yaml", ENVIRON)
    assert [str(one) for one in checked.findings] == []
    assert len(checked.characters) == 1
    return load_config(folder / "conf.yaml", environ=ENVIRON).config


def all_models(language: LanguageCode) -> list[EngineOption]:
    catalogue = models(around(language))
    return [*catalogue.offered, *(catalogue.find(f"{source}:some-model") for source in MODEL_SERVICES)]


def all_voices(language: LanguageCode) -> list[EngineOption]:
    catalogue = voices(around(language))
    return [*catalogue.offered, catalogue.find("openai:alloy"), catalogue.find("espeak:en-gb+m3")]


def all_recognisers(language: LanguageCode) -> list[EngineOption]:
    catalogue = recognisers(around(language))
    return [
        *catalogue.offered,
        catalogue.find("openai:gpt-4o-mini-transcribe"),
        catalogue.find("groq:whisper-large-v3"),
    ]


LANGUAGES: list[LanguageCode] = list(TEXTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("connect", ["this-machine", "network"])
@pytest.mark.parametrize("listen", ["always", "name"])
def test_check_finds_nothing_in_any_combination_of_engines(
    tmp_path: Path, language: LanguageCode, connect: str, listen: str
) -> None:
    """Each model, each voice and each recogniser, beside all kinds of the others."""
    kinds = (all_models(language), all_voices(language), all_recognisers(language))
    rounds = max(map(len, kinds))
    token = "secret-token" if connect == "network" else ""
    for number in range(rounds):
        model, voice, microphone = (options[number % len(options)] for options in kinds)
        given = answers(
            language,
            model=model,
            voice=voice,
            microphone=microphone,
            listen=listen,
            connect=connect,
            access_token=token,
        )
        config = write(tmp_path / str(number), given)
        character = config.character
        assert (character.llm.name, character.tts.name) == (model.engine, voice.engine)
        assert (character.asr.name if character.asr else "") == microphone.engine
        assert character.llm.settings.items() >= model.settings.items()
        assert character.tts.settings.items() >= voice.settings.items()
        assert character.wake_word.enabled == (listen == "name")
        assert config.system.access_token == token
        assert config.system.host == ("0.0.0.0" if token else "127.0.0.1")


@pytest.mark.parametrize(("language", "name"), list(itertools.product(LANGUAGES, ODD)))
def test_every_name_is_read_as_it_was_typed(tmp_path: Path, language: LanguageCode, name: str) -> None:
    """In the list, beside what it says, and in the persona; the file is where the server looks for it."""
    cleaned = cleaned_name(name)
    assert cleaned
    config = write(tmp_path, answers(language, name=cleaned))
    assert config.character.conf_name == config.character.character_name == cleaned
    assert cleaned in config.character.persona_prompt
    (file,) = (tmp_path / "characters").iterdir()
    assert file.name == config.system.first_character


@pytest.mark.parametrize("key", ["sk-abc", "a: b#c", "${HOME}", "'\"\\", "0123", "true", "%&*!|>"])
def test_a_typed_key_is_in_the_file_that_only_its_owner_reads(tmp_path: Path, key: str) -> None:
    """It is used as it was typed, wherever its service is used, and no ``repr`` has it."""
    find = models(around("en")).find
    given = answers(
        model=find("openai:gpt"),
        voice=voices(around("en")).find("openai:alloy"),
        microphone=recognisers(around("en")).find("openai:whisper"),
        keys={"OPENAI_API_KEY": key},
    )
    write_all(new_files(tmp_path, given), replace=False)
    config = load_config(tmp_path / "conf.yaml", environ={"HOME": "/root"}).config
    assert config.character.llm.settings["llm_api_key"] == key
    assert config.character.tts.settings["api_key"] == key
    assert config.character.asr
    assert config.character.asr.settings["api_key"] == key
    assert stat.S_IMODE((tmp_path / "conf.yaml").stat().st_mode) == 0o600
    assert key not in repr(given)
    assert key not in repr(new_files(tmp_path, given))


def test_a_key_of_the_environment_is_not_written(tmp_path: Path) -> None:
    """The comment names the variable; `check` says so where it is missing."""
    write(tmp_path, answers(model=models(around("en")).find("claude:claude-haiku-5-5")))
    text = (tmp_path / "conf.yaml").read_text("utf-8")
    assert "ANTHROPIC_API_KEY" in text
    assert "sk-from" not in text
    (found,) = look_at(tmp_path / "conf.yaml", {}).findings
    assert found.severity == "error"
    assert "ANTHROPIC_API_KEY" in str(found)


def test_a_model_of_another_machine_is_asked_there(tmp_path: Path) -> None:
    """Its address may be of IPv6."""
    option = models(around("en", "fd00::5")).find("ollama")
    config = write(tmp_path, answers(model=option))
    assert config.character.llm.settings["base_url"] == "http://[fd00::5]:11434/v1"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_voice_that_is_suggested_speaks_the_language(language: LanguageCode) -> None:
    """Kokoro's of that language; where no server has one, the embedded one and not a server's other one."""
    catalogue = voices(around(language))
    begin = {"en": "af_", "zh": "zf_", "ja": "jf_"}[language]
    assert catalogue.offered[catalogue.default].name.startswith(begin)
    english = [LookedAt("kokoro", "", 8880, "found", FoundNames(voices=("af_sky",)))]
    catalogue = voices(Surroundings("127.0.0.1", english, language))
    assert catalogue.offered[catalogue.default].source == ("kokoro" if language == "en" else "espeak")


@pytest.mark.parametrize(
    ("model", "voice"), [("speaches-ai/Kokoro-82M-v1.0-ONNX", "zf_xiaobei"), ("tts-1", "alloy")]
)
def test_a_server_without_a_list_gets_a_voice_that_its_model_has(model: str, voice: str) -> None:
    """Kokoro knows no alloy."""
    looked = [LookedAt("server", "", 8000, "found", FoundNames(speakers=(model,)))]
    offered = voices(Surroundings("127.0.0.1", looked, "zh")).offered[0]
    assert offered.settings == {"base_url": "http://127.0.0.1:8000/v1", "model": model, "voice": voice}


def test_a_recogniser_of_english_alone_is_the_last_for_others() -> None:
    """Whisper's are called so."""
    found = FoundNames(recognisers=("small.en", "small"))
    looked = [LookedAt("server", "", 8000, "found", found)]
    for language, first in (("en", "small.en"), ("ja", "small")):
        assert recognisers(Surroundings("127.0.0.1", looked, language)).offered[0].name == first  # type: ignore[arg-type]


def test_another_character_may_be_a_copy_of_the_file(tmp_path: Path) -> None:
    """As the comment at its top says: with a name and an id of its own."""
    write(tmp_path, answers())
    text = (tmp_path / "characters" / "iris.yaml").read_text("utf-8")
    assert "conf_uid" in text.splitlines()[1]
    copy = text.replace('"Iris"', '"Rosa"').replace("iris_001", "rosa_001")
    (tmp_path / "characters" / "rosa.yaml").write_text(copy, "utf-8")
    checked = look_at(tmp_path / "conf.yaml", {})
    assert checked.findings == ()
    assert [each.character.conf_name for each in checked.characters] == ["Iris", "Rosa"]
