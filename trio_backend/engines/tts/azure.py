"""`azure_tts`: the voices of Azure's Speech service, over its “Text to speech REST API”.

``POST /cognitiveservices/v1`` with SSML, by Microsoft's page “Text to speech REST API”
(https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech), read in its copy for Azure
in China in November 2026. It sends samples, as it makes them. An error has a status, and no body to speak of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

import attrs

from ...errors import SettingsError
from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import whole_characters
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("azure_tts",)

_PROVIDER = Provider(
    "azure_tts", "https://eastus.tts.speech.microsoft.com", ("AZURE_SPEECH_KEY", "SPEECH_KEY"), needs_key=True
)
_REGION = re.compile(r"[a-z0-9]{2,40}")
_NUMBER = re.compile(r"[+-]?\d{1,3}(\.\d{1,3})?")
# Characters that XML does not have, even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Azure's Speech service",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _AzureTtsSettings(ServiceSettings):
    api_key: str = ""
    region: str = "eastus"
    # Instead of the region: a private endpoint, or a sovereign cloud's.
    base_url: str = ""
    voice: str = "en-US-AshleyNeural"
    # Per cent by which the voice is higher, and how fast it speaks: 1 is its own speed.
    pitch: str = "0"
    rate: str = "1"


@attrs.frozen(kw_only=True)
class AzureSpeech(SpeechService):
    """Azure's Speech service, with one of its voices."""

    pitch: str
    rate: str

    def headers(self) -> Mapping[str, str]:
        """See `SpeechService.headers`."""
        return {
            "Ocp-Apim-Subscription-Key": self.endpoint.api_key,
            "X-Microsoft-OutputFormat": "raw-24khz-16bit-mono-pcm",
            "User-Agent": "trio-backend",
        }

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        voice = self.endpoint.model
        language = "-".join(voice.split("-")[:2])
        ssml = (
            '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
            f"xml:lang={quoteattr(language)}><voice name={quoteattr(voice)}>"
            f'<prosody pitch="{self.pitch}%" rate="{self.rate}">'
            f"{escape(_NO_XML.sub(' ', whole_characters(text)))}</prosody></voice></speak>"
        )
        return SynthesisRequest("cognitiveservices/v1", ssml.encode(), content_type="application/ssml+xml")


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> AzureSpeech:
    """Its settings are the fields of `_AzureTtsSettings`; a region of China is on that cloud's hosts."""
    del name
    # Existing files have both: '26' and 26.
    texts = {
        key: f"{settings[key]}" for key in ("pitch", "rate") if isinstance(settings.get(key), int | float)
    }
    given = read_settings(_AzureTtsSettings, {**settings, **texts})
    for key in ("pitch", "rate"):
        if not _NUMBER.fullmatch(getattr(given, key)) or (key == "rate" and given.rate[0] in "+-"):
            raise SettingsError(key, "must be a number" + (", 1 for the voice's own speed" * (key == "rate")))
    region = given.region.strip().lower()
    if not _REGION.fullmatch(region):
        raise SettingsError("region", "must be the name of a region, such as eastus")
    cloud = "azure.cn" if region.startswith("china") else "microsoft.com"
    url = checked_url(given.base_url or f"https://{region}.tts.speech.{cloud}")
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    return AzureSpeech(
        endpoint=check_key(Endpoint(_PROVIDER, url, given.voice, "api_key", key)),
        # The documentation has a sign before each change in per cent.
        pitch=f"{float(given.pitch):+g}",
        rate=f"{float(given.rate):g}",
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
