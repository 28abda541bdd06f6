"""A server of the real package `wyoming`, for a process of its own: it counts the seconds that it hears.

With ``--stream`` it says what it has heard in chunks, before the whole. It writes its port to its output.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.server import AsyncEventHandler


class Recogniser(AsyncEventHandler):
    """One client."""

    def __init__(self, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.stream, self.seconds, self.asked, self.started = stream, 0.0, Transcribe(), False

    async def handle_event(self, event: Event) -> bool:
        """One event of the client's, by the package's own classes."""
        if Transcribe.is_type(event.type):
            self.asked = Transcribe.from_event(event)
            if self.asked.name == "broken":
                await self.write_event(Error("sk-secret", "no-such-model").event())
        elif AudioStart.is_type(event.type):
            AudioStart.from_event(event)
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            self.seconds += len(chunk.audio) / chunk.width / chunk.channels / chunk.rate
            if self.stream and not self.started:
                self.started = True
                await self.write_event(TranscriptStart().event())
                await self.write_event(TranscriptChunk("heard").event())
        elif AudioStop.is_type(event.type):
            text = f"heard {self.seconds:.1f} s of {self.asked.language}"
            if self.stream:
                await self.write_event(TranscriptChunk(text.removeprefix("heard")).event())
            await self.write_event(Transcript(text).event())
            if self.stream:
                await self.write_event(TranscriptStop().event())
            return False
        return True


async def main() -> None:
    """Serve until the process is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await make(reader, writer).run()

    make = partial(Recogniser, "--stream" in sys.argv)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
