"""`spark_tts`: Spark-TTS, behind the Gradio server that its ``webui.py`` is.

By that program, https://github.com/SparkAudio/Spark-TTS/blob/main/webui.py, as of November 2026: its endpoint
``/voice_clone`` imitates a recording, and ``/voice_creation`` makes a voice up. `gradio` says how a server is
asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import SettingsError
from ..facts import EngineFacts
from ..gradio_speech import MODEL_TIMEOUT, GradioSpeech, Value, recordings
from ..open_speech import open_gradio
from ..openai.configs import Endpoint, Provider, checked_url, find_key
from ..settings import Environment, between, one_of, read_settings
from ..speech_service import ServiceSettings

NAMES = ("spark_tts",)

_PROVIDER = Provider(
    "spark_tts", "http://127.0.0.1:6006", start="start Spark-TTS's webui.py, or correct api_url"
)

FACTS = EngineFacts(
    streams="no",
    cancel="closes the request, and tells the server to stop",
    tried="a stand-in by recordings of it",
    needs="Spark-TTS's `webui.py`, and a recording",
)


@attrs.frozen
class _SparkSettings(ServiceSettings):
    api_url: str = _PROVIDER.base_url
    api_name: str = attrs.field(
        default="voice_clone",
        validator=one_of("voice_clone", "voice_creation", "/voice_clone", "/voice_creation"),
    )
    # A URL, or a file on this machine.
    prompt_wav_upload: str = ""
    # What is said in it: better where the language is the same.
    prompt_text: str = ""
    gender: str = attrs.field(default="female", validator=one_of("female", "male"))
    # From very low, and very slow, to very high, and very fast.
    pitch: int = attrs.field(default=3, validator=between(1, 5))
    speed: int = attrs.field(default=3, validator=between(1, 5))
    # For a private Space on Hugging Face.
    api_key: str = ""
    timeout: float = attrs.field(default=MODEL_TIMEOUT, validator=between(0.1, 3600), kw_only=True)


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> GradioSpeech:
    """Its settings are the fields of `_SparkSettings`, of which each endpoint takes its own."""
    del name
    given = read_settings(_SparkSettings, settings)
    api_name = given.api_name.strip("/")
    values: dict[str, Value]
    if api_name == "voice_clone":
        if not given.prompt_wav_upload.strip():
            raise SettingsError("prompt_wav_upload", "is missing: name a recording, or take voice_creation")
        values = {"prompt_text": given.prompt_text}
        recorded = {"prompt_wav_upload": given.prompt_wav_upload, "prompt_wav_record": ""}
    else:
        values = {"gender": given.gender, "pitch": given.pitch, "speed": given.speed}
        recorded = {}
    url = checked_url(given.api_url, setting="api_url")
    key = find_key(given.api_key, (), environment.environ)
    return GradioSpeech(
        endpoint=Endpoint(_PROVIDER, url, "", "api_key", key, url_setting="api_url"),
        api_name=api_name,
        text="text",
        values=tuple(values.items()),
        recordings=recordings(environment, recorded.items()),
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
    )


open = open_gradio
