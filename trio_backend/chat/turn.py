"""One turn as the listener has it: sentences that were shown, and are heard one after the other."""

from __future__ import annotations

import attrs
import trio

from .heard import Sentence, heard
from .voice import Voice

# A reply of so many sentences is longer than anybody listens: the rest is shown, and not heard.
AHEAD = 256


@attrs.frozen
class Heard:
    """All of ``turn`` that will be heard has been."""

    turn: Turn


@attrs.define(eq=False)
class Turn:
    """`listen` hears the sentences; all else is for the loop, which it tells when it is done."""

    _voice: Voice
    _inbox: trio.MemorySendChannel[Heard]
    awaited: bool = attrs.field(default=False, init=False)
    """Whether the server waits for us to have heard everything."""
    over: bool = attrs.field(default=False, init=False)
    """Whether everything has been heard."""
    _sentences: list[Sentence] = attrs.field(factory=list, init=False)
    _to_hear: trio.MemorySendChannel[Sentence] = attrs.field(init=False)
    _next: trio.MemoryReceiveChannel[Sentence] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._to_hear, self._next = trio.open_memory_channel[Sentence](AHEAD)

    def add(self, sentence: Sentence) -> None:
        """``sentence`` has been shown; it is heard after those before it, or at once where nothing sounds."""
        self._sentences.append(sentence)
        if not self._voice.able:
            sentence.finish()
            return
        try:
            self._to_hear.send_nowait(sentence)
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            sentence.finish()

    def complete(self) -> None:
        """There will be no more sentences."""
        self._to_hear.close()

    def heard(self) -> str:
        """What has been heard so far."""
        return heard(self._sentences, trio.current_time())

    async def listen(self) -> None:
        """Hear each sentence in its turn, and say so after the last. Cancelling is silence at once."""
        with self._next:
            async for sentence in self._next:
                await self._voice.perform(sentence)
        await self._inbox.send(Heard(self))
