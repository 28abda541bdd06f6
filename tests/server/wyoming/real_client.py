"""A client of the real package `wyoming`, for a process of its own: what Home Assistant does, as it does it.

It gets a port and a WAV file's samples at 16 kHz from its input, and writes what it hears as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.handle import Handled, HandledChunk, NotHandled
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped


async def ask(port: int, *events: Event, until: tuple[str, ...]) -> list[Event]:
    """Say ``events`` on a connection of their own, and hear all up to one of ``until``."""
    heard: list[Event] = []
    async with AsyncTcpClient("127.0.0.1", port, read_timeout=20) as client:
        for event in events:
            await client.write_event(event)
        while (event_or_end := await client.read_event()) is not None:
            heard.append(event_or_end)
            if event_or_end.type in (*until, "error"):
                break
    return heard


def seconds(events: list[Event]) -> float:
    """Of the sound in ``events``."""
    return sum(AudioChunk.from_event(one).seconds for one in events if AudioChunk.is_type(one.type))


async def main(port: int, samples: bytes) -> None:
    """All that Home Assistant asks."""
    (told,) = await ask(port, Describe().event(), until=("info",))
    info = Info.from_event(told)
    chunks = [samples[at : at + 2_048] for at in range(0, len(samples), 2_048)]
    understood = await ask(
        port,
        Transcribe(language="en").event(),
        AudioStart(16_000, 2, 1).event(),
        *[AudioChunk(16_000, 2, 1, chunk).event() for chunk in chunks],
        AudioStop().event(),
        until=("transcript",),
    )
    spoken = await ask(port, Synthesize("Hello there. How are you?").event(), until=("audio-stop",))
    streamed = await ask(
        port,
        SynthesizeStart().event(),
        *[SynthesizeChunk(piece).event() for piece in ("Hello th", "ere. How", " are you?")],
        Synthesize("Hello there. How are you?").event(),
        SynthesizeStop().event(),
        until=("synthesize-stopped",),
    )
    ended = ("handled", "not-handled")
    replies = [
        await ask(port, Transcript(text, context={"conversation_id": "a"}).event(), until=ended)
        for text in ("One. Two.", "Three.")
    ]
    refused = await ask(port, Event("transcript", {"text": 1}), until=ended)
    print(
        json.dumps(
            {
                "programs": [info.asr[0].name, info.tts[0].name, info.handle[0].name],
                "streams": [
                    info.asr[0].supports_transcript_streaming,
                    info.tts[0].supports_synthesize_streaming,
                    info.handle[0].supports_handled_streaming,
                ],
                "languages": info.tts[0].voices[0].languages,
                "transcript": Transcript.from_event(understood[-1]).text,
                "spoken": seconds(spoken),
                "streamed": seconds(streamed),
                "stopped": SynthesizeStopped.is_type(streamed[-1].type),
                "handled": [Handled.from_event(reply[-1]).text for reply in replies],
                "context": Handled.from_event(replies[0][-1]).context,
                "chunks": [
                    HandledChunk.from_event(one).text for one in replies[0] if HandledChunk.is_type(one.type)
                ],
                "problems": [NotHandled.is_type(reply[-1].type) for reply in replies],
                "refused": Error.from_event(refused[-1]).code,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.stdin.buffer.read()))
