"""`GradioTts`: an endpoint of a Gradio server. The sound is handed out when it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from loguru import logger

from ..audio.pcm import Pcm
from ..errors import EngineError
from .gradio import GradioEndpoint, GradioServer, open_gradio_server
from .gradio_speech import GradioSpeech, Recording
from .sound_file import BYTES_PER_SECOND, HEADER, decode
from .whole import NO_SOUND, WholeTts, can_be_said

LONGEST_RECORDING = 64 * 2**20
"""Bytes of a recording that is uploaded: half a minute in the largest format there is has 12 million."""


@asynccontextmanager
async def open_gradio_tts(config: GradioSpeech) -> AsyncIterator[GradioTts]:
    """Nothing is asked yet. Raises `EngineError` where a recording on this machine cannot be read."""
    files = {one.place: await _read(config, one.place) for one in config.recordings if one.is_file}
    async with open_gradio_server(config.endpoint, connect=config.connect_timeout) as server:
        yield GradioTts(config, server, files)


async def _read(config: GradioSpeech, place: str) -> bytes:
    path = trio.Path(place)
    try:
        if (await path.stat()).st_size > LONGEST_RECORDING:
            raise EngineError(f"{config.provider}: the recording {path.name} is too large; 30 s are enough")
        return await path.read_bytes()
    except OSError as error:
        raise EngineError(f"{config.provider}: the recording {place} cannot be read: {error}") from error


@attrs.frozen
class _Asking:
    """What is asked for each sentence: ``data`` for the endpoint, in which the text belongs at ``text``."""

    endpoint: GradioEndpoint
    data: tuple[Any, ...]
    text: int


@attrs.define(eq=False)
class GradioTts(WholeTts):
    """A `Tts`. Sentences may be asked for at once; how many are made at once is the server's to say."""

    config: GradioSpeech
    _server: GradioServer = attrs.field(repr=False)
    _recordings: Mapping[str, bytes] = attrs.field(repr=False)
    _asking: _Asking | None = attrs.field(default=None, init=False, repr=False)
    _looking: trio.Lock = attrs.field(factory=trio.Lock, init=False, repr=False)
    _decoders: trio.CapacityLimiter = attrs.field(
        factory=lambda: trio.CapacityLimiter(2), init=False, repr=False
    )

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel gives the call up, as `GradioServer.call` says."""
        if not can_be_said(text):
            await trio.lowlevel.checkpoint()
            return NO_SOUND
        with trio.move_on_after(self.config.timeout):
            try:
                return await self._decoded(await self._made(text))
            except EngineError:
                # The server may have been started anew: with other endpoints, without what was uploaded.
                self._asking = None
                raise
        raise self._server.error(f"no sound within {self.config.timeout:g} s")

    async def _made(self, text: str) -> bytes:
        """The file that the server makes of ``text``."""
        async with self._looking:
            asking = self._asking = self._asking or await self._look()
        data = [*asking.data]
        data[asking.text] = text
        file = await self._server.call(asking.endpoint, data)
        longest = self.config.max_sound
        return await self._server.fetch(
            asking.endpoint,
            file,
            most=int(longest * BYTES_PER_SECOND) + HEADER,
            too_long=f"the server sent more sound than {longest:g} s can be (max_sentence_sound)",
        )

    async def _look(self) -> _Asking:
        """Ask the server for its endpoint, and upload what has to be there. Raises `EngineError`."""
        config = self.config
        endpoint = await self._server.find(config.api_name)
        names = [one.parameter_name for one in endpoint.parameters]
        if config.text not in names:
            raise self._server.error(
                f"the endpoint {config.api_name!r} has no parameter {config.text!r}; check api_name"
            )
        values: dict[str, Any] = dict(config.values)
        if unknown := [name for name in values if name not in names]:
            logger.warning(
                "{}: the server's endpoint has no such parameters, so these settings have no effect: {}",
                config.provider,
                ", ".join(unknown),
            )
        for recording in config.recordings:
            values[recording.parameter] = await self._there(endpoint, recording)
        data = tuple(values.get(one.parameter_name, one.parameter_default) for one in endpoint.parameters)
        return _Asking(endpoint, data, names.index(config.text))

    async def _there(self, endpoint: GradioEndpoint, recording: Recording) -> Mapping[str, Any] | None:
        """How a call names ``recording``, which is uploaded if it is on this machine."""
        place = recording.place
        if not place:
            return None
        meta = {"_type": "gradio.FileData"}
        if recording.is_file:
            name = Path(place).name
            path = await self._server.upload(endpoint, name, self._recordings[place])
            return {"path": path, "orig_name": name, "meta": meta}
        return {"path": place, "url": place, "orig_name": place.rpartition("/")[2], "meta": meta}

    async def _decoded(self, data: bytes) -> Pcm:
        work = partial(decode, data, longest=self.config.max_sound)
        try:
            pcm = await trio.to_thread.run_sync(work, limiter=self._decoders)
        except ValueError as error:
            raise self._server.error(f"the server's sound cannot be used: {error}") from error
        if not pcm.samples.strip(b"\0"):
            # What CosyVoice sends instead of an error, with a warning that only its page shows.
            raise self._server.error(
                "the server made silence; try these settings on its page, which says why"
            )
        return pcm
