"""A character with lists of engines: what its user hears, and is told, while one of them fails."""

from __future__ import annotations

from typing import Any

import attrs
import trio
from trio.testing import MockClock

from tests.client import Client
from tests.session.sessions import END, THREE, connect_greeted, shown
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice, EngineKind
from trio_backend.engines.asr.scripted import write

NAMES = {"llm": "echo_llm", "tts": "tone_tts", "asr": "scripted_asr"}


def listed(options: BackendOptions, kind: EngineKind, *settings: dict[str, object]) -> BackendOptions:
    """The base character, who is alone, has several engines of the test kind, with these settings."""
    first, *others = [EngineChoice(kind, NAMES[kind], each) for each in settings]
    base = attrs.evolve(options.catalog.base, **{kind: attrs.evolve(first, then=tuple(others))})  # type: ignore[arg-type]
    return attrs.evolve(options, catalog=MemoryCatalog(base))


def errors(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Code and text of each."""
    return [(one["code"], one["message"]) for one in messages if one["type"] == "error"]


REPLACED = (
    "engine-replaced",
    "tone_tts was told to fail on this sentence; tone_tts is used instead, for 60 s",
)


async def test_no_sentence_is_lost_and_the_page_is_told_once(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """In the turn in which it happens; each page once in each period."""
    broken: dict[str, object] = {"fail_on": "Four", "seconds_per_character": 0.01}
    async with open_backend(listed(options, "tts", broken, {"seconds_per_character": 0.01})) as backend:
        ann, bob = [await connect_greeted(backend, nursery) for _ in range(2)]
        heard = await ann.turn(THREE)
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        assert all(message["audio"] for message in heard if message["type"] == "audio")
        assert errors(heard) == [REPLACED]
        assert heard[-1] == END
        assert errors(await ann.turn(THREE)) == []
        assert errors(await bob.turn(THREE)) == [REPLACED]
        assert errors(await bob.turn(THREE)) == []
        await trio.sleep(60)
        assert errors(await ann.turn("One two three.")) == []
        assert errors(await bob.turn(THREE)) == [REPLACED]


async def test_sound_in_pieces_falls_back_too(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """With engines that hand it out as it is made."""
    pieces: dict[str, object] = {"chunk": 0.1, "seconds_per_character": 0.02}
    async with open_backend(listed(options, "tts", {**pieces, "fail_on": "Four"}, pieces)) as backend:
        client = await connect_greeted(backend, nursery)
        heard = await client.turn(THREE)
        sounding = [m["display_text"]["text"] for m in heard if m["type"] == "audio" and m["audio"]]
        assert set(sounding) == set(shown(heard)) == {"One two three.", "Four five six.", "Seven eight nine."}
        assert errors(heard) == [REPLACED]


async def test_the_next_model_answers(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Where the first said nothing, the user hears no difference."""
    broken: dict[str, object] = {"fail": "the model is gone", "fail_at": 0}
    async with open_backend(listed(options, "llm", broken, {})) as backend:
        client = await connect_greeted(backend, nursery)
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        told = "echo_llm: the model is gone; echo_llm is used instead, for 60 s"
        assert errors(heard) == [("engine-replaced", told)]
        assert errors(await client.turn(THREE)) == []


async def test_a_reply_that_was_cut_ends_as_an_error(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """As with one model; the next turn is answered by the next."""
    broken: dict[str, object] = {"fail": "the model is gone", "fail_at": 4}
    async with open_backend(listed(options, "llm", broken, {})) as backend:
        client = await connect_greeted(backend, nursery)
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four"]
        assert sorted(code for code, _ in errors(heard)) == ["engine-error", "engine-replaced"]
        assert heard[-1] == END
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        assert errors(heard) == []


async def test_what_was_said_is_given_to_the_next_recogniser(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """The utterance is answered as if nothing had happened, and the page is told."""
    broken: dict[str, object] = {"fail_on": "there"}
    async with open_backend(listed(options, "asr", broken, {"delay": 0.5})) as backend:
        client = await connect_greeted(backend, nursery)
        for told in (1, 0):
            heard = await _said(client, "Hello there.")
            assert shown(heard) == ["Hello there."]
            assert [code for code, _ in errors(heard)] == ["engine-replaced"] * told


async def _said(client: Client, text: str) -> list[dict[str, Any]]:
    """A spoken turn, to its end."""
    await client.say("mic-audio-data", audio=write(text, seconds=1).floats().tolist())
    await client.say("mic-audio-end")
    heard = await client.until("backend-synth-complete")
    await client.say("frontend-playback-complete")
    return [*heard, *await client.until("control", text="conversation-chain-end")]
