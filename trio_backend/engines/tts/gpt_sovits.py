"""`gpt_sovits_tts`: a GPT-SoVITS server, which speaks with the voice of a short recording.

``POST /tts`` of its ``api_v2.py`` (https://github.com/RVC-Boss/GPT-SoVITS/blob/main/api_v2.py), as of
November 2026. With ``streaming_mode`` the WAV file that it sends has a head without a length, and its samples
come as they are made; where it fails amid them, the connection breaks off.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import SettingsError
from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, split_url
from ..settings import Environment, between, one_of, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("gpt_sovits_tts",)

WITHOUT_EFFECT = {"media_type": "WAV is asked for, which says its own sample rate and needs no decoder"}

_PROVIDER = Provider(
    "gpt_sovits_tts", "http://127.0.0.1:9880", start="start its api_v2.py, or correct api_url"
)
_MODES = {"true": True, "1": True, "2": 2, "3": 3, "false": False, "0": False, "": False}

FACTS = EngineFacts(
    streams="with `streaming_mode: true`",
    cancel="closes the connection",
    tried="a stand-in by its code",
    needs="GPT-SoVITS's `api_v2.py`, and a recording",
)


@attrs.frozen
class _GptSovitsSettings(ServiceSettings):
    api_url: str = f"{_PROVIDER.base_url}/tts"
    text_lang: str = "zh"
    # A file on the server's machine.
    ref_audio_path: str = ""
    prompt_lang: str = "zh"
    prompt_text: str = ""
    text_split_method: str = "cut5"
    batch_size: int = attrs.field(default=1, validator=between(1, 100))
    streaming_mode: str = attrs.field(default="false", validator=one_of(*_MODES))


@attrs.frozen(kw_only=True)
class GptSovits(SpeechService):
    """A GPT-SoVITS server."""

    path: str
    settings: _GptSovitsSettings

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        given = self.settings
        request = {
            "text": text,
            "text_lang": given.text_lang,
            "ref_audio_path": given.ref_audio_path,
            "prompt_lang": given.prompt_lang,
            "prompt_text": given.prompt_text,
            "text_split_method": given.text_split_method,
            "batch_size": given.batch_size,
            "media_type": "wav",
            "streaming_mode": _MODES[given.streaming_mode],
        }
        return SynthesisRequest(self.path, json_of(request))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> GptSovits:
    """Its settings are the fields of `_GptSovitsSettings`; ``streaming_mode`` may be a number or a text."""
    del name
    texts = {}
    if (mode := settings.get("streaming_mode")) is not None:
        texts["streaming_mode"] = f"{mode}".lower()
    given = read_settings(_GptSovitsSettings, {**settings, **texts}, ignored=WITHOUT_EFFECT)
    url, path = split_url(given.api_url, setting="api_url", path="tts")
    if not given.ref_audio_path.strip():
        raise SettingsError(
            "ref_audio_path", "is missing: name a recording of 3 to 10 s on the server's machine"
        )
    return GptSovits(
        endpoint=Endpoint(_PROVIDER, url, "", "", url_setting="api_url"),
        path=path,
        settings=given,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=_MODES[given.streaming_mode] is not False,
    )


open = open_service
