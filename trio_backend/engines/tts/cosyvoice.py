"""`cosyvoice_tts` and `cosyvoice2_tts`: CosyVoice, behind the Gradio server that its ``webui.py`` is.

By that program, https://github.com/FunAudioLLM/CosyVoice/blob/main/webui.py, as of November 2026: its
endpoint ``/generate_audio`` has a parameter for each setting. `gradio` says how a server is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import SettingsError
from ..facts import EngineFacts
from ..gradio_speech import MODEL_TIMEOUT, GradioSpeech, Value, recordings
from ..open_speech import open_gradio
from ..openai.configs import Endpoint, Provider, checked_url, find_key
from ..settings import Environment, between, read_settings
from ..speech_service import ServiceSettings

NAMES = ("cosyvoice_tts", "cosyvoice2_tts")

_URL = "http://127.0.0.1:50000"

# The modes, as the server calls them: a voice that is trained in, one that is imitated from a few seconds,
# one that is imitated in another language, and one that is told how to speak.
TRAINED, IMITATED, ACROSS_LANGUAGES, INSTRUCTED = "预训练音色", "3s极速复刻", "跨语种复刻", "自然语言控制"

FACTS = EngineFacts(
    streams="no",
    cancel="closes the request, and tells the server to stop",
    tried="a stand-in by recordings of it",
    needs="CosyVoice's `webui.py`, on Gradio 4.29 or newer",
)


@attrs.frozen
class _CosyVoiceSettings(ServiceSettings):
    client_url: str = _URL
    mode_checkbox_group: str = TRAINED
    # One of the trained voices; empty: the first.
    sft_dropdown: str = "中文女"
    # What is said in the recording.
    prompt_text: str = ""
    # A URL, or a file on this machine.
    prompt_wav_upload_url: str = ""
    prompt_wav_record_url: str = ""
    instruct_text: str = ""
    seed: int = attrs.field(default=0, validator=between(0, 2**32 - 1))
    api_name: str = "/generate_audio"
    # For a private Space on Hugging Face.
    api_key: str = ""
    timeout: float = attrs.field(default=MODEL_TIMEOUT, validator=between(0.1, 3600), kw_only=True)


@attrs.frozen
class _CosyVoice2Settings(_CosyVoiceSettings):
    mode_checkbox_group: str = IMITATED
    sft_dropdown: str = ""
    stream: bool = False
    speed: float = attrs.field(default=1.0, validator=between(0.5, 2))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> GradioSpeech:
    """Its settings are the fields of `_CosyVoiceSettings`; of the second also ``stream`` and ``speed``."""
    cls = _CosyVoice2Settings if name == "cosyvoice2_tts" else _CosyVoiceSettings
    given: _CosyVoiceSettings = read_settings(cls, settings)
    url = checked_url(given.client_url, setting="client_url")
    _check_mode(given)
    values: dict[str, Value] = {
        "mode_checkbox_group": given.mode_checkbox_group,
        "prompt_text": given.prompt_text,
        "instruct_text": given.instruct_text,
        "seed": given.seed,
    }
    if given.sft_dropdown:
        values["sft_dropdown"] = given.sft_dropdown
    if isinstance(given, _CosyVoice2Settings):
        values |= {"stream": given.stream, "speed": given.speed}
    # With a trained voice the server ignores them, after it has fetched them; existing files name a sample on
    # the web, and some of these servers have no way there.
    ignored = given.mode_checkbox_group == TRAINED
    places = {
        "prompt_wav_upload": "" if ignored else given.prompt_wav_upload_url,
        "prompt_wav_record": "" if ignored else given.prompt_wav_record_url,
    }
    provider = Provider(name, _URL, start="start CosyVoice's webui.py, or correct client_url")
    key = find_key(given.api_key, (), environment.environ)
    return GradioSpeech(
        endpoint=Endpoint(provider, url, "", "api_key", key, url_setting="client_url"),
        api_name=given.api_name.strip().strip("/"),
        text="tts_text",
        values=tuple(values.items()),
        recordings=recordings(environment, places.items()),
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
    )


def _check_mode(given: _CosyVoiceSettings) -> None:
    """Raises `SettingsError` for what the server needs in that mode: without it, it sends silence."""
    mode = given.mode_checkbox_group
    recorded = given.prompt_wav_upload_url.strip() or given.prompt_wav_record_url.strip()
    if mode in {IMITATED, ACROSS_LANGUAGES} and not recorded:
        raise SettingsError("prompt_wav_upload_url", "is missing: name a recording of 3 to 30 s")
    if mode == IMITATED and not given.prompt_text.strip():
        raise SettingsError("prompt_text", "is missing: write what is said in the recording")
    if mode == INSTRUCTED and not given.instruct_text.strip():
        raise SettingsError("instruct_text", "is missing: write how to speak")


open = open_gradio
