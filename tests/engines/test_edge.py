"""`edge_tts`: the real library, pointed at a stand-in."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import trio

from tests.promptness import PROMPTLY
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken as sound_of
from trio_backend.errors import EngineError, SettingsError

pytest.importorskip("edge_tts", reason="the extra edge is not installed")

from .edge_stand_in import begun, mp3, pointed_at, say_bytes, speaking
from .websocket_server import (
    Speaking,
    Spoken,
    accepted,
    breaking_off,
    broken_frame,
    garbage,
    half_a_frame,
    open_websocket_service,
    refusing,
    silent,
)


async def test_a_sentence_is_asked_for_as_configured() -> None:
    """Voice and prosody, and the text escaped; what comes back is the sound."""
    said: list[str] = []

    def sound(ssml: str) -> bytes:
        said.append(ssml)
        return mp3(1.0)

    async with open_websocket_service(speaking(sound)) as service:
        settings = {"voice": "de-DE-KatjaNeural", "rate": "+10%", "pitch": "-5Hz", "volume": "-20%"}
        async with pointed_at(service, **settings) as tts:
            pcm = await sound_of(tts, "Tom & Jerry <3 \ud800.")
    assert pcm.rate == 24_000
    assert math.isclose(pcm.seconds, 1.0, abs_tol=0.15)
    (ssml,) = said
    assert "(de-DE, KatjaNeural)" in ssml
    assert "pitch='-5Hz' rate='+10%' volume='-20%'" in ssml
    assert "Tom &amp; Jerry &lt;3 \ufffd." in ssml


async def test_nothing_is_asked_for_what_cannot_be_said() -> None:
    """The service would answer with an error."""
    async with open_websocket_service(speaking(lambda _: mp3(1))) as service, pointed_at(service) as tts:
        assert not (await sound_of(tts, "… 🎈")).samples
    assert not service.connections


@accepted
async def half_a_sentence(spoken: Spoken) -> None:
    """Begin, and fall silent."""
    await begun(spoken)
    await say_bytes(spoken, mp3(1)[:1440])


@accepted
async def no_sound(spoken: Spoken) -> None:
    """What it does for a voice that it does not have."""
    await begun(spoken)
    await spoken.say("X-RequestId:1\r\nContent-Type:x\r\nPath:turn.end\r\n\r\n{}")


@accepted
async def no_mp3(spoken: Spoken) -> None:
    """Something else, as sound."""
    await begun(spoken)
    await say_bytes(spoken, b"<surprise>" * 100)
    await spoken.say("X-RequestId:1\r\nContent-Type:x\r\nPath:turn.end\r\n\r\n{}")


@accepted
async def no_metadata(spoken: Spoken) -> None:
    """JSON of another kind."""
    await begun(spoken)
    await spoken.say("X-RequestId:1\r\nContent-Type:x\r\nPath:audio.metadata\r\n\r\n[]")


@accepted
async def without_end(spoken: Spoken) -> None:
    """Sound, for ever."""
    await begun(spoken)
    while True:
        await say_bytes(spoken, bytes(1440))


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (refusing(403, "sk-secret"), r"refuses us \(403\)"),
        (refusing(429, None, "Retry-After: 99"), r"too many requests \(429\)"),
        (refusing(503, "sk-secret"), r"failed \(503\)"),
        (refusing(200, "<h1>Welcome, sk-secret</h1>"), r"failed \(200\)"),
        (breaking_off, "cannot be reached"),
        (garbage, "does not understand"),
        (half_a_frame, "is .*NoVoiceNeural.* among"),
        (broken_frame, "does not understand|NoVoiceNeural"),
        (no_sound, "is .*NoVoiceNeural.* among"),
        (no_mp3, "cannot be used"),
        (no_metadata, "does not understand"),
        (silent, "no sound within 0.5 s"),
        (half_a_sentence, "no sound within 0.5 s"),
        (without_end, "more sound than 10 s"),
    ],
)
async def test_what_goes_wrong_is_told(behaviour: Speaking, words: str) -> None:
    """As an error of the engine, without what the service says; and the next sentence is whole."""
    async with open_websocket_service(speaking(lambda _: mp3(1))) as service:
        # The library asks again by itself, where it sets its clock by the answer and where there was none.
        service.script = [behaviour] * (2 if behaviour is breaking_off else 1)
        async with pointed_at(service, voice="en-US-NoVoiceNeural", timeout=0.5) as tts:
            with trio.fail_after(20), pytest.raises(EngineError, match=f"edge_tts: .*{words}") as caught:
                await sound_of(tts, "Hello.")
            assert "sk-secret" not in str(caught.value)
            assert (await sound_of(tts, "Hello.")).seconds > 0.8
    # Whatever was open is closed.
    with trio.fail_after(PROMPTLY):
        await service.connections[0].left.wait()


@accepted
async def without_goodbye(spoken: Spoken) -> None:
    """Take what is asked, and nothing more: not even the end of the WebSocket."""
    await begun(spoken)
    while await spoken.stream.receive_some():
        pass


@pytest.mark.parametrize("behaviour", [silent, half_a_sentence, without_goodbye])
async def test_a_cancel_closes_the_connection(behaviour: Speaking) -> None:
    """At once, whatever the service says to that."""
    async with open_websocket_service(behaviour) as service, pointed_at(service) as tts:
        with trio.move_on_after(0.3) as scope:
            await sound_of(tts, "Hello.")
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < PROMPTLY
        with trio.fail_after(PROMPTLY):
            await service.connections[0].left.wait()
        assert service.connections[0].left_at - scope.deadline < PROMPTLY


@pytest.mark.parametrize(
    ("key", "value"), [("voice", "Mao"), ("rate", "10%"), ("pitch", "+5%"), ("volume", "loud"), ("speed", 1)]
)
def test_wrong_settings_are_named(key: str, value: object) -> None:
    """When the character is loaded."""
    with pytest.raises(SettingsError) as caught:
        configure("tts", "edge_tts", {key: value}, environment=Environment(Path(), {}))
    assert caught.value.key == key
