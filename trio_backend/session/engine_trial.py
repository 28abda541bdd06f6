"""`tried`: one engine opened for a moment, and what it does with a sentence, a sound or a greeting."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64

import attrs
import trio

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..config.character import CharacterConfig, EngineChoice
from ..conversation.speech_engines import LeaseEngine
from ..engines.base import Llm, Message, Prompt, Text, Tts
from ..engines.whole import joined, transcribed
from ..errors import EngineError, ProtocolError
from ..protocol import EngineTried, TryEngine
from ..text.lines import LineReader
from ..text.lines import joined as joined_texts

GREETING = "Hello"
SENTENCE = "Hello. This is how I sound."
MOST_SOUND = 2**20
"""Bytes of samples that are sent of a voice: 20 s at 24 kHz. Base64 makes 1.4 MB of them, in one message."""
MOST_ANSWER = 300
"""Characters that are read of a model's answer: enough to see how it talks."""


@attrs.frozen
class Trial:
    """What an engine is given to do; see `of`."""

    request: TryEngine
    sound: Pcm

    @classmethod
    def of(cls, request: TryEngine) -> Trial:
        """The trial that ``request`` asks for. Raises `ProtocolError` where its sound is none."""
        try:
            samples = b64decode(request.audio, validate=True)
        except (NotBase64, ValueError) as error:
            raise ProtocolError("bad-message", "try-engine: 'audio' must be base64") from error
        if len(samples) % 2 or (request.kind == "asr" and not samples):
            raise ProtocolError("bad-message", "try-engine: 'audio' must hold whole samples of 16 bits")
        return cls(request, Pcm(samples, RATE))


async def tried(
    trial: Trial, choice: EngineChoice, character: CharacterConfig, lease: LeaseEngine
) -> EngineTried:
    """What the engine of ``choice`` does, as a message; ``character`` is who a model plays.

    Raises `EngineError` or `ConfigError`, perhaps in a group, where it cannot be opened or fails. A cancel
    gives the engine back. Has no deadline of its own.
    """
    request, began = trial.request, trio.current_time()
    async with lease(choice) as engine:
        loaded = trio.current_time()
        told = EngineTried(request.kind, request.name, loaded_in=round(loaded - began, 3))
        match request.kind:
            case "tts":
                return await _spoken(told, engine, request.text.strip() or SENTENCE)
            case "asr":
                text = await transcribed(engine, trial.sound)
                return attrs.evolve(told, text=text, took=round(trio.current_time() - loaded, 3))
            case "llm":
                return await _answered(told, engine, character)


async def _spoken(told: EngineTried, tts: Tts, text: str) -> EngineTried:
    chunks, size, began, first = list[Pcm](), 0, trio.current_time(), 0.0
    async with tts.speak(text) as sound:
        async for chunk in sound:
            first = first if chunks else trio.current_time() - began
            chunks.append(chunk)
            size += len(chunk.samples)
            if size >= MOST_SOUND:
                break
    if not size:
        raise EngineError(f"{told.name} made no sound")
    whole = joined(chunks)
    wav = Pcm(whole.samples[:MOST_SOUND], whole.rate).to_wav()
    return attrs.evolve(told, audio=b64encode(wav).decode(), took=round(first, 3))


async def _answered(told: EngineTried, llm: Llm, character: CharacterConfig) -> EngineTried:
    emotions = tuple(character.emotions)
    said = [Message("user", GREETING)]
    prompt = Prompt(character.system_prompt, said, character.character_name, emotions)
    text, began, first = "", trio.current_time(), 0.0
    async with llm.reply(prompt) as parts:
        async for part in parts:
            if isinstance(part, Text):
                first = first if text else trio.current_time() - began
                text += part.text
            if len(text) >= MOST_ANSWER:
                break
    if not text.strip():
        raise EngineError(f"{told.name} answered nothing")
    reader = LineReader(character.emotions, character.speech_filters, first_early=False)
    lines = (*reader.feed(text[:MOST_ANSWER]), *reader.flush())
    shown = joined_texts(line.display for line in lines)
    return attrs.evolve(told, text=shown, took=round(first, 3))
