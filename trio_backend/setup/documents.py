"""`server_document`, `character_document`: the texts of ``conf.yaml`` and of the character's file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from .answers import Answers, file_stem
from .catalogue import EngineOption
from .texts import CommentTexts, SetupTexts

# What the reader of configurations takes for a variable of the environment.
_VARIABLE = re.compile(r"\$\{\w+(?::-[^}]*)?\}")

# What needs no quotes: names of engines, of most models and voices, and addresses.
_WORD = re.compile(r"[a-z][\w.+/-]*(:[\w.+/-]+)*", re.ASCII)
_OTHER_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

_COLUMN = 40
"""Where the comments behind values begin, if there is room."""


def server_document(answers: Answers, texts: SetupTexts) -> str:
    """``conf.yaml``: the server, and the engines that characters share."""
    words = texts.comments
    port = str(answers.port)
    lines = [
        *_commented(words.server_top.format(character=answers.character_file)),
        "#",
        f"#   trio-backend check       {words.check}",
        f"#   trio-backend serve       {words.start}",
        f"#   trio-backend engines     {words.engines}",
        f'#   trio-backend speak "…"   {words.speak}',
        "#",
        *_commented(words.variables),
        *([*_commented(words.key_here)] if answers.keys else []),
        "",
        "system_config:",
        _line(1, "host", answers.host, words.host),
        _line(1, "port", answers.port, words.port.format(port=port)),
        _line(1, "first_character", answers.character_file, words.first),
        _line(1, "access_token", answers.access_token, words.token.format(port=port))
        if answers.access_token
        else f"{'  # access_token: …'.ljust(_COLUMN)} # {words.no_token}",
        "",
        *_commented(words.prompts, 1),
        "  tool_prompts:",
        "    live2d_expression_prompt: live2d_expression_prompt",
        "    proactive_speak_prompt: proactive_speak_prompt",
        "",
        *_commented(words.all_characters),
        "character_config:",
        _line(1, "human_name", texts.character.human_name, words.human),
        "",
        *_model(answers, words),
        "",
        *_voice(answers, words),
        "",
        *_recogniser(answers, words),
    ]
    return "\n".join(lines) + "\n"


def _model(answers: Answers, words: CommentTexts) -> Iterator[str]:
    option = answers.model
    yield "  agent_config:"
    yield "    agent_settings:"
    yield "      basic_memory_agent:"
    yield _line(4, "llm_provider", option.engine, words.model)
    yield _line(4, "faster_first_response", True, words.faster)
    yield "    llm_configs:"
    if option.settings:
        yield f"      {option.engine}:"
        yield from _settings(4, option, answers.keys, words)
    yield from _commented(words.other_model, 3)
    if option.engine != "ollama_llm":
        yield "      ollama_llm:"
        yield "        base_url: http://127.0.0.1:11434/v1"
        yield "        model: qwen2.5:latest"
    if option.engine != "scripted_llm":
        yield "      scripted_llm:"
        yield "        rules: companion.yaml"


def _voice(answers: Answers, words: CommentTexts) -> Iterator[str]:
    option = answers.voice
    yield "  tts_config:"
    yield from _commented(words.fallback, 2)
    yield _line(2, "tts_model", option.engine, words.voice)
    yield from _commented(words.voice_value, 2)
    if option.settings:
        yield f"    {option.engine}:"
        yield from _settings(3, option, answers.keys, words)
    if option.engine != "openai_tts":
        yield "    openai_tts:"
        yield "      base_url: http://127.0.0.1:8880/v1"
        yield "      model: kokoro"
        yield "      voice: af_sky"


def _recogniser(answers: Answers, words: CommentTexts) -> Iterator[str]:
    option = answers.microphone
    yield "  asr_config:"
    if option.engine:
        yield _line(2, "asr_model", option.engine, words.hearing)
        yield f"    {option.engine}:"
        yield from _settings(3, option, answers.keys, words)
    else:
        yield from _commented(words.embedded_hearing, 2)
        yield "    # asr_model: faster_whisper"
        yield "    faster_whisper:"
        yield "      model_path: small"
        yield _line(3, "language", answers.language, "")
        yield "      compute_type: int8"


def _settings(
    level: int, option: EngineOption, keys: Mapping[str, str], words: CommentTexts
) -> Iterator[str]:
    """The settings of an engine, its key among them: as it stands, or as the variable that has it."""
    if option.key_setting:
        variable = next((one for one in option.variables if one in keys), "")
        if variable:
            yield _line(level, option.key_setting, keys[variable], "")
        else:
            yield from _commented(words.key_elsewhere.format(variable=" / ".join(option.variables)), level)
    for key, value in option.settings.items():
        yield _line(level, key, value, words.base_url if key in ("base_url", "api_url") else "")


def character_document(answers: Answers, texts: SetupTexts) -> str:
    """The character's file in ``characters/``."""
    words, character, name = texts.comments, texts.character, answers.name
    lines = [
        *_commented(words.character_top),
        "",
        "character_config:",
        _line(1, "conf_name", name, words.conf_name),
        _line(1, "conf_uid", f"{file_stem(name)}_001", words.uid),
        _line(1, "character_name", name, words.character_name),
        _line(1, "live2d_model_name", character.face, words.face),
        _line(1, "avatar", f"{character.face}.svg", words.avatar),
        "",
        *_commented(words.persona, 1),
        "  persona_prompt: |",
        *(f"    {_escaped(line)}" for line in character.persona.format(name=name).splitlines()),
        "",
        "  agent_config:",
        "    llm_configs:",
        "      scripted_llm:",
        _line(4, "manner", character.manner, words.manner),
        "",
        *_commented(words.own_voice, 1),
        "  # tts_config:",
        "  #   tts_model: espeak_tts",
        "  #   espeak_tts: {voice: en-gb+m3, speed: 145, pitch: 28}",
        "",
        *_wake_words(answers, texts),
    ]
    return "\n".join(lines) + "\n"


def _wake_words(answers: Answers, texts: SetupTexts) -> Iterator[str]:
    words, character = texts.comments, texts.character
    enabled = answers.listen == "name"
    calls = (
        [character.hey.format(name=answers.name), answers.name]
        if enabled
        else [character.hey.format(name=answers.name)]
    )
    yield "  wake_word_config:"
    yield _line(2, "enabled", enabled, words.wake if enabled else words.wake_off)
    yield f"    wake_words: {{{answers.language}: [{', '.join(map(_value, calls))}]}}"
    yield f"    end_words: {{{answers.language}: [{', '.join(map(_value, character.end_words))}]}}"
    yield _line(2, "greeting", character.greeting, "")
    yield _line(2, "farewell", character.farewell, "")
    yield _line(2, "idle_timeout", 60, words.idle)


def _line(level: int, key: str, value: object, comment: str) -> str:
    text = f"{'  ' * level}{key}: {_value(value)}"
    return f"{text.ljust(_COLUMN)} # {comment}" if comment else text


def _value(value: object) -> str:
    """``value`` as YAML: plain where it is surely a word, else in quotes, whatever is in it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if _WORD.fullmatch(value) and value not in _OTHER_WORDS:
        return value
    # JSON is YAML, in which escapes are those of double quotes.
    return json.dumps(_escaped(value), ensure_ascii=False)


def _escaped(text: str) -> str:
    """``text``, of which the reader of configurations fills in no variable."""
    return _VARIABLE.sub(lambda match: f"${match[0]}", text)


def _commented(text: str, level: int = 0) -> Iterable[str]:
    return [f"{'  ' * level}# {line}" for line in text.splitlines()]
