"""`models`, `voices`, `recognisers`: what `init` offers, and what it writes for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..config.character import EngineKind
from ..engines.registry import missing_modules
from .catalogue import Catalogue, EngineOption, Maker, Surroundings
from .flags import LanguageCode
from .nearby import FoundNames

# Servers of models: source, what it is called, its engine, its port.
_MODEL_SERVERS = (
    ("ollama", "Ollama", "ollama_llm", 11434),
    ("lmstudio", "LM Studio", "lmstudio_llm", 1234),
    ("llamacpp", "llama.cpp", "openai_compatible_llm", 8080),
    ("server", "OpenAI-compatible", "openai_compatible_llm", 8000),
)
MODEL_SERVICES = {
    "openai": "OpenAI",
    "claude": "Claude (Anthropic)",
    "deepseek": "DeepSeek",
    "gemini": "Gemini (Google)",
    "groq": "Groq",
    "mistral": "Mistral",
    "zhipu": "Zhipu",
}
"""Services that need an account: the word in flags, and their name for people."""

COMPANION = EngineOption("llm", "companion", "", "scripted_llm")


def models(around: Surroundings) -> Catalogue:
    """Language models: those of servers nearby, and the embedded companion; services by name."""
    offered, makers, missing = list[EngineOption](), dict[str, Maker](), dict[str, str]()
    for source, title, engine, port in _MODEL_SERVERS:
        # No temperature: Ollama and LM Studio have one for each model.
        def make(name: str, it: tuple[str, str, str, int] = (source, title, engine, port)) -> EngineOption:
            settings = {"base_url": around.url(it[3], path="/v1"), "model": name}
            return EngineOption("llm", it[0], name, it[2], settings, title=it[1])

        makers[source] = make
        found = around.found(source)
        offered += [make(name) for name in (found.models if found else ())]
        missing[source] = around.not_there(title, port)
    for source, title in MODEL_SERVICES.items():
        makers[source] = _service("llm", source, f"{source}_llm", title, "llm_api_key")
        missing[source] = f"name one of its models: --model {source}:MODEL"
    return Catalogue([*offered, COMPANION], makers, missing)


def _service(kind: EngineKind, source: str, engine: str, title: str, key_setting: str) -> Maker:
    def make(name: str) -> EngineOption:
        return EngineOption(kind, source, name, engine, {"model": name}, key_setting, title)

    return make


_ESPEAK: Mapping[LanguageCode, Mapping[str, object]] = {
    "en": {"voice": "en-us+f3", "speed": 175, "pitch": 62},
    "zh": {"voice": "cmn+f2", "speed": 160, "pitch": 55},
    "ja": {"voice": "ja+f2", "speed": 165, "pitch": 58},
}
_EDGE: Mapping[LanguageCode, str] = {
    "en": "en-US-AvaMultilingualNeural",
    "zh": "zh-CN-XiaoxiaoNeural",
    "ja": "ja-JP-NanamiNeural",
}
# How names of voices begin, by language: of Kokoro, and of Piper.
_KOKORO: Mapping[LanguageCode, tuple[str, ...]] = {"en": ("af_", "bf_"), "zh": ("zf_",), "ja": ("jf_",)}
_PIPER: Mapping[LanguageCode, str] = {"en": "en_", "zh": "zh_", "ja": "ja_"}
_OPENAI_VOICES = "https://api.openai.com/v1"


def voices(around: Surroundings) -> Catalogue:
    """Voices: those of servers nearby first, since they sound better; then what is built in, or installed."""
    makers = _voice_makers(around)
    offered, missing = list[EngineOption](), dict[str, str]()
    first = _KOKORO[around.language]
    for source, title, port, names in (
        ("kokoro", "Kokoro-FastAPI", 8880, around.pick(_voices_of(around.found("kokoro")), *first)),
        ("server", "OpenAI-compatible", 8000, _default_voice(around.found("server"), around.language)),
        (
            "wyoming",
            "a Wyoming server",
            10200,
            around.pick(_voices_of(around.found("wyoming-voice")), _PIPER[around.language]),
        ),
        ("xtts", "XTTS", 8020, list(_voices_of(around.found("xtts")))),
    ):
        offered += [makers[source](name) for name in names]
        missing[source] = around.not_there(title, port)
    missing["openai"] = "name one of its voices: --voice openai:alloy"
    missing["gpt-sovits"] = (
        "it needs a recording of the voice: choose another now, and set gpt_sovits_tts later"
    )
    # A Kokoro or Piper that has no voice of this language would read it in another one.
    default = 0 if offered and _speaks(offered[0], around.language) else len(offered)
    offered.append(EngineOption("tts", "espeak", "", "espeak_tts", _ESPEAK[around.language]))
    if remedy := missing_modules("tts", "edge_tts"):
        missing["edge"] = remedy
        del makers["edge"]
    else:
        offered.append(makers["edge"](_EDGE[around.language]))
    return Catalogue([*offered, EngineOption("tts", "none", "", "none_tts")], makers, missing, default)


def _speaks(voice: EngineOption, language: LanguageCode) -> bool:
    """Whether the name of the voice says that it speaks the language."""
    begins = {"kokoro": _KOKORO[language], "wyoming": (_PIPER[language],)}.get(voice.source)
    return voice.name.startswith(begins) if begins else voice.source == "xtts" or language == "en"


def _voices_of(found: FoundNames | None) -> Sequence[str]:
    return found.voices if found else ()


def _default_voice(found: FoundNames | None, language: LanguageCode) -> list[str]:
    """A voice that the first model of a server of OpenAI's interface has: that has no list of them."""
    if found is None or not found.speakers:
        return []
    if "kokoro" in found.speakers[0].lower():
        return [{"en": "af_sky", "zh": "zf_xiaobei", "ja": "jf_alpha"}[language]]
    # In all that imitate OpenAI's own.
    return ["alloy"]


def _voice_makers(around: Surroundings) -> dict[str, Maker]:
    found, language = around.found("server"), around.language

    def option(
        source: str, engine: str, title: str, settings: Callable[[str], Mapping[str, object]]
    ) -> Maker:
        key = "api_key" if source == "openai" else ""
        return lambda name: EngineOption("tts", source, name, engine, settings(name), key, title)

    speaker = found.speakers[0] if found and found.speakers else "tts-1"
    kokoro, server = around.url(8880, path="/v1"), around.url(8000, path="/v1")
    wyoming, xtts = around.url(10200, scheme="tcp"), around.url(8020, path="/tts_to_audio")
    spoken = "zh-cn" if language == "zh" else language
    return {
        "kokoro": option(
            "kokoro",
            "openai_tts",
            "Kokoro-FastAPI",
            lambda name: {"base_url": kokoro, "model": "kokoro", "voice": name},
        ),
        "server": option(
            "server",
            "openai_tts",
            "OpenAI-compatible",
            lambda name: {"base_url": server, "model": speaker, "voice": name},
        ),
        "wyoming": option(
            "wyoming", "wyoming_tts", "Wyoming", lambda name: {"base_url": wyoming, "voice": name}
        ),
        "xtts": option(
            "xtts", "x_tts", "XTTS", lambda name: {"api_url": xtts, "speaker_wav": name, "language": spoken}
        ),
        "openai": option(
            "openai",
            "openai_tts",
            "OpenAI",
            lambda name: {"base_url": _OPENAI_VOICES, "model": "gpt-4o-mini-tts", "voice": name},
        ),
        "edge": option("edge", "edge_tts", "Microsoft Edge", lambda name: {"voice": name}),
        "espeak": option(
            "espeak", "espeak_tts", "espeak-ng", lambda name: {**_ESPEAK[language], "voice": name}
        ),
    }


def recognisers(around: Surroundings) -> Catalogue:
    """Recognisers: those of servers nearby first, since the embedded one understands English, and poorly."""
    language = around.language
    server, wyoming = around.url(8000, path="/v1"), around.url(10300, scheme="tcp")

    def of_server(name: str) -> EngineOption:
        settings = {"base_url": server, "model": name, "language": language}
        return EngineOption(
            "asr", "server", name, "openai_compatible_asr", settings, title="OpenAI-compatible"
        )

    def of_wyoming(name: str) -> EngineOption:
        settings = {"base_url": wyoming, "model": name, "language": language}
        return EngineOption("asr", "wyoming", name, "wyoming_asr", settings, title="Wyoming")

    def whisper(name: str) -> EngineOption:
        settings = {"model_path": name, "language": language, "compute_type": "int8"}
        return EngineOption("asr", "faster-whisper", name, "faster_whisper", settings, title="faster-whisper")

    makers: dict[str, Maker] = {"server": of_server, "wyoming": of_wyoming, "faster-whisper": whisper}
    missing = {
        "server": around.not_there("a recogniser", 8000),
        "wyoming": around.not_there("a Wyoming server", 10300),
    }
    offered = [of_server(name) for name in _recognisers_of(around.found("server"), language)]
    offered += [of_wyoming(name) for name in _recognisers_of(around.found("wyoming-microphone"), language)]
    if remedy := missing_modules("asr", "faster_whisper"):
        missing["faster-whisper"] = remedy
        del makers["faster-whisper"]
    else:
        offered.append(whisper("small"))
    for source, engine, title, model in (
        ("openai", "openai_whisper_asr", "OpenAI", "gpt-4o-mini-transcribe"),
        ("groq", "groq_whisper_asr", "Groq", "whisper-large-v3-turbo"),
    ):
        makers[source] = _service("asr", source, engine, title, "api_key")
        missing[source] = f"name one of its models: --microphone {source}:{model}"
    embedded = EngineOption("asr", "embedded", "", "")
    if remedy := missing_modules("asr", "pocketsphinx_asr"):
        missing["embedded"] = remedy
    # faster-whisper downloads half a gigabyte when it is first used: nothing to begin with unasked.
    default = len(offered) if offered and offered[0].source == "faster-whisper" else 0
    return Catalogue([*offered, embedded], makers, missing, default)


def _recognisers_of(found: FoundNames | None, language: LanguageCode) -> Iterable[str]:
    """Those of Whisper that know English alone end in ``.en``, and are the last for other languages."""
    names = found.recognisers if found else ()
    return sorted(names, key=lambda name: language != "en" and name.endswith(".en"))
