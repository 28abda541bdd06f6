"""What a user does in `prove voice`: say something and wait for the reply, or say something into a reply."""

from __future__ import annotations

import trio

from .voice_client import HeardSound, VoiceClient
from .voice_corpus import CorpusUtterance
from .voice_measures import Exchange, Interjection, Listening

# Seconds. The slowest turn of a server that does one thing after the other takes two and a half.
REPLY_TIMEOUT = 6.0
SETTLING = 0.5
"""For which the microphone of a page is on at least before anybody speaks, or asks."""
BREATH = 0.4
"""Between the end of a reply and the next utterance: a clean-up ends within that."""
AFTERMATH = 2.6
"""After the last word of something that is said into a reply, until it is certain what came of it."""


async def converse(
    client: VoiceClient, utterance: CorpusUtterance, listening: Listening
) -> tuple[Exchange, HeardSound | None]:
    """Say ``utterance``, and wait for the reply, which then is ended; what was heard first of that."""
    await trio.sleep_until(client.opened + SETTLING)
    decisions, transcripts = len(client.decisions), len(client.transcripts)
    spoken = client.say(utterance)
    await spoken.over.wait()
    ended = spoken.speech_ends
    with trio.move_on_after(REPLY_TIMEOUT):
        await client.wait(lambda: client.heard_from(ended) is not None)
    decided, heard = client.decisions[decisions:], client.heard_from(ended)
    exchange = Exchange(
        utterance,
        listening,
        cut=next((at - ended for at in decided if at < ended), None),
        decided=next((at - ended for at in decided if at >= ended), None),
        heard=None if heard is None or heard.first is None else heard.first - ended,
        arrived=None if heard is None else heard.at - ended,
        understood=" ".join(text for _, text in client.transcripts[transcripts:]),
    )
    await client.be_quiet()
    await trio.sleep(BREATH)
    return exchange, heard


async def interject(
    client: VoiceClient, utterance: CorpusUtterance, listening: Listening, after: float
) -> Interjection:
    """Let a reply begin, and say ``utterance`` into it ``after`` so many seconds.

    Raises `trio.TooSlowError` where no reply begins.
    """
    await trio.sleep_until(client.opened + SETTLING)
    began, stops, understood = trio.current_time(), len(client.interrupts), len(client.transcripts)
    await client.ask("Tell me something.")
    with trio.fail_after(REPLY_TIMEOUT):
        await client.wait(lambda: client.heard_from(began) is not None)
    await trio.sleep(after)
    spoken = client.say(utterance)
    await spoken.over.wait()
    await trio.sleep(AFTERMATH)
    begins, ended = spoken.speech_begins, spoken.speech_ends
    stopped = next((at for at in client.interrupts[stops:] if at >= begins), None)
    # What is answered is told as understood; a reply that goes on is not.
    answered = len(client.transcripts) > understood
    again = None if stopped is None or answered else client.heard_from(stopped + 1e-3)
    await client.be_quiet()
    await trio.sleep(BREATH)
    return Interjection(
        utterance.kind,
        listening,
        stopped=None if stopped is None else stopped - begins,
        resumed=None if again is None or again.first is None else again.first - ended,
        answered=answered,
        words=utterance.text,
        understood=" ".join(text for _, text in client.transcripts[understood:]),
    )
