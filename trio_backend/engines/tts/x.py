"""`x_tts`: an XTTS server, which speaks with the voice of a short recording.

``POST /tts_to_audio/`` of the package ``xtts-api-server`` 0.9.0, as of November 2026. It sends a WAV file
when that is whole. Whatever goes wrong, an unknown speaker or language too, has the status 500. Started with
``--streaming-mode`` it plays the sound itself, and sends a second of silence.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, split_url
from ..settings import Environment, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("x_tts",)

_PROVIDER = Provider("x_tts", "http://127.0.0.1:8020", start="start the server there, or correct api_url")

FACTS = EngineFacts(
    streams="no",
    cancel="closes the connection",
    tried="a stand-in by its code",
    needs="`xtts-api-server`",
)


@attrs.frozen
class _XttsSettings(ServiceSettings):
    api_url: str = f"{_PROVIDER.base_url}/tts_to_audio"
    # One of the server's speakers, or a file on its machine.
    speaker_wav: str = "female"
    language: str = "en"


@attrs.frozen(kw_only=True)
class Xtts(SpeechService):
    """An XTTS server."""

    path: str
    speaker_wav: str
    language: str

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        request = {"text": text, "speaker_wav": self.speaker_wav, "language": self.language}
        return SynthesisRequest(self.path, json_of(request))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> Xtts:
    """Its settings are the fields of `_XttsSettings`."""
    del name
    given = read_settings(_XttsSettings, settings)
    url, path = split_url(given.api_url, setting="api_url", path="tts_to_audio")
    return Xtts(
        endpoint=Endpoint(_PROVIDER, url, "", "", url_setting="api_url"),
        # Without the slash the server only says where it is, and existing files have none.
        path=f"{path}/",
        speaker_wav=given.speaker_wav,
        language=given.language,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=False,
    )


open = open_service
