"""`OpenAiAsr`: speech recognition behind ``/audio/transcriptions``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import msgspec
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError
from ..whole import WholeAsr
from .answers import decode_json, not_a_stream, whole_characters
from .configs import TranscriptionConfig
from .connection import ModelServer, SoundForm, open_model_server, read_refused

MOST = 1_000_000
"""Bytes of one transcript; an hour of speech has a tenth of it."""


@attrs.define
class _Transcript:
    text: str


_decoder = msgspec.json.Decoder(_Transcript)


@asynccontextmanager
async def open_transcription(config: TranscriptionConfig) -> AsyncIterator[OpenAiAsr]:
    """Nothing is asked yet: the first utterance makes the first connection."""
    async with open_model_server(config.endpoint, connect=config.connect_timeout) as server:
        yield OpenAiAsr(config, server)


@attrs.frozen
class OpenAiAsr(WholeAsr):
    """An `Asr`. All utterances share one pool of connections."""

    config: TranscriptionConfig
    _server: ModelServer

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel closes the connection."""
        if not pcm.samples:
            await trio.lowlevel.checkpoint()
            return ""
        with trio.move_on_after(self.config.timeout):
            return await self._transcribe(pcm)
        raise EngineError(f"{self.config.provider}: no transcript within {self.config.timeout:g} s")

    async def _transcribe(self, pcm: Pcm) -> str:
        form = SoundForm(self.config.fields, await self._sound(pcm))
        response = await self._server.ask("audio/transcriptions", form, accept="application/json")
        if not response.headers.get("content-type", "").lower().startswith("application/json"):
            answer = await read_refused(response)
            raise EngineError(not_a_stream(self.config.endpoint, answer).text)
        body = await self._server.read(
            response, most=MOST, too_long="the server sent an answer that is too long for a transcript"
        )
        try:
            return whole_characters(decode_json(body, _decoder).text).strip()
        except ValueError:
            # Not chained: the error would carry what somebody said.
            raise EngineError(f"{self.config.provider}: the server sent no transcript") from None

    @staticmethod
    async def _sound(pcm: Pcm) -> bytes:
        """A WAV file; resampled in a thread, since a minute of it takes longer than the loop has."""
        if pcm.rate == RATE:
            return pcm.to_wav()
        return (await trio.to_thread.run_sync(pcm.resampled, RATE)).to_wav()
