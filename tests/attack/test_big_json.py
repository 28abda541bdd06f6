"""JSON of the largest size, in the costliest shapes, delays no other client (finding 8)."""

from __future__ import annotations

import json
import time
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.memory_wire import memory_wire_pair
from tests.serving.servers import configured, open_client, open_server
from trio_backend.config.bounds import bounds_of
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.errors import ProtocolError
from trio_backend.protocol import Incoming, MicAudioData, RawAudioData, TextInput, decode_steps
from trio_backend.protocol.codec import PLAIN
from trio_backend.protocol.outgoing import Error
from trio_backend.protocol.rate import RateLimit
from trio_backend.wire import receive_within

MIB = 2**20
SIZE = 8 * MIB
PICTURE = "data:image/png;base64,"


def filled(begin: str, unit: str, end: str) -> str:
    """``unit`` again and again between ``begin`` and ``end``, as large as a message may be."""
    return begin + unit * ((SIZE - len((begin + end).encode())) // len(unit.encode())) + end


TEXT = '{"type":"text-input","text":"hi",'
ZEROS = filled('{"type":"mic-audio-data","audio":[', "0,", "0]}")
SAMPLES = filled('{"type":"raw-audio-data","audio":[', "-0.0123456789,", "0.5]}")
SHOWN = filled(TEXT + '"images":[{"data":"' + PICTURE, "A", '"}]}')
SHAPES = {
    "sound of zeros": ZEROS,
    "sound of samples": SAMPLES,
    "sound of spaces": filled('{"type":"mic-audio-data","audio":[', " ", "]}"),
    "a picture": SHOWN,
    "a picture and an emoji": filled(TEXT[:-2] + '😀","images":[{"data":"' + PICTURE, "A", '"}]}'),
    "small pictures": filled(TEXT + '"images":[', '{"data":"data:image/;base64,"},', "{}]}"),
    "escapes": filled('{"type":"text-input","text":"', r"\u0041", '"}'),
    "kanji": filled('{"type":"text-input","text":"', "日", '"}'),
    "zeros in an unknown field": filled(TEXT + '"x":[', "0,", "0]}"),
    "small keys": filled(TEXT + '"x":{', '"a":1,', '"a":1}}'),
    "lists in lists": filled(TEXT + '"x":', "[", "}"),
    "objects in objects": filled(TEXT + '"x":', '{"a":', "}"),
    "spaces": filled(TEXT, " ", '"x":1}'),
    "spaces at first": filled("", " ", TEXT[:-1] + "}"),
    "no JSON": filled("", "x", ""),
}


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """The longest step of the sessions' readers, in seconds."""

    longest: float = attrs.field(default=0.0, init=False)
    _began: float = attrs.field(default=0.0, init=False)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.name.endswith("/reader"):
            self.longest = max(self.longest, time.thread_time() - self._began)


async def test_no_message_stops_the_loop(tmp_path: Path) -> None:
    """Each shape, sent to a server on a real socket; the best of five tries, since the machine is shared."""
    config = configured(
        tmp_path,
        llm=EngineChoice("llm", "echo_llm", {}),
        tts=EngineChoice("tts", "none_tts", {}),
        byte_burst=2**40,
    )
    longest = dict.fromkeys(SHAPES, 9.0)
    async with open_server(config) as address:
        for name, message in SHAPES.items():
            for _ in range(5):
                async with open_client(address) as client:
                    steps = Steps()
                    trio.lowlevel.add_instrument(steps)
                    await client.wire.send(message.encode())
                    await client.say("heartbeat")
                    await client.until("heartbeat-ack")
                    trio.lowlevel.remove_instrument(steps)
                    longest[name] = min(longest[name], steps.longest)
                if longest[name] < 0.01:
                    break
    assert {name: took for name, took in longest.items() if took > 0.1} == {}


def steps_of(message: str) -> tuple[list[Incoming], int, str]:
    """The messages that it holds, how many turns the others had, and what was wrong."""
    messages, rests = [], 0
    try:
        for step in decode_steps(message):
            if step is None:
                rests += 1
            else:
                messages.append(step)
    except ProtocolError as error:
        return messages, rests, str(error)
    return messages, rests, ""


def test_large_sound_comes_in_pieces_and_whole() -> None:
    """What was one list of samples is many short ones, in order."""
    messages, _, wrong = steps_of(SAMPLES)
    assert wrong == ""
    assert len(messages) > 100
    samples: list[float] = []
    for message in messages:
        assert isinstance(message, RawAudioData)
        assert len(message.audio) < 35_000
        samples += message.audio
    assert samples == json.loads(SAMPLES)["audio"]


def test_fields_behind_large_sound_are_ignored_as_always() -> None:
    """And spaces are allowed where JSON allows them."""
    message = ' { "type" : "mic-audio-data" , "audio" : [' + " 0.5 ,\n" * 60_000 + ' 0.5 ] , "x" : [1] } '
    messages, _, wrong = steps_of(message)
    assert wrong == ""
    assert sum(len(message.audio) for message in messages if isinstance(message, MicAudioData)) == 60_001


@pytest.mark.parametrize("broken", ["true", '"x"', "[1]", "{}", "", "1]", "1}", "1e", " "])
@pytest.mark.parametrize("at", [0, 50_000, 100_000])
def test_large_sound_that_is_no_list_of_numbers_is_refused(broken: str, at: int) -> None:
    """Wherever it is wrong; what comes behind is not looked at."""
    values = ["0.25"] * 100_001
    values[at] = broken
    *_, wrong = steps_of('{"type":"mic-audio-data","audio":[' + ",".join(values) + "]}")
    assert wrong.startswith("mic-audio-data: ")


def test_pictures_may_be_large() -> None:
    """One or several: what is said with them is short."""
    several = [{"data": PICTURE + "A" * MIB} for _ in range(7)]
    for message in (SHOWN, json.dumps({"type": "text-input", "text": "日本", "images": several})):
        (found,), _, wrong = steps_of(message)
        assert wrong == ""
        assert isinstance(found, TextInput)
        assert [attrs.asdict(image)["data"] for image in found.images or ()] == [
            image["data"] for image in json.loads(message)["images"]
        ]


@pytest.mark.parametrize(
    "refused",
    ["small pictures", "escapes", "kanji", "zeros in an unknown field", "small keys", "spaces", "no JSON"],
)
def test_nothing_else_makes_a_message_large(refused: str) -> None:
    """It is refused unread, with a reason."""
    messages, _, wrong = steps_of(SHAPES[refused])
    assert messages == []
    assert " kB" in wrong


@pytest.mark.parametrize("letter", ["日", "x", r"\u65e5"])
def test_the_longest_text_is_none_too_large(letter: str) -> None:
    """As many characters as max_text can be set to, however they are written, with eight pictures."""
    most = next(bound for bound in bounds_of(SystemConfig) if bound.key == "max_text").high
    assert most >= 100_000
    images = ",".join(['{"data":"' + PICTURE + '"}'] * 8)
    message = '{"type":"text-input","text":"' + letter * int(most) + '","images":[' + images + "]}"
    (found,), _, wrong = steps_of(message)
    assert wrong == ""
    assert isinstance(found, TextInput)
    assert len(found.text) == most


def test_text_in_disguise_is_no_picture() -> None:
    """Escapes and other alphabets are costly to decode, and no base64."""
    for disguised in (r"\n" * PLAIN, "é" * PLAIN):
        *_, wrong = steps_of(TEXT + '"images":[{"data":"' + PICTURE + disguised + '"}]}')
        assert "1024 kB" in wrong


def rate() -> RateLimit:
    """Messages as they like; 4 MiB a second, and 32 at once."""
    return RateLimit(1e6, 1_000_000, 4 * MIB, 32 * MIB)


async def test_a_client_that_sends_too_many_bytes_waits(autojump_clock: MockClock) -> None:
    """Nothing is lost; a hundred MiB take as long as the rate says, and the sender feels it."""
    ours, theirs = memory_wire_pair()
    limit = rate()

    async def refuse(error: Error) -> None:
        raise AssertionError(error)

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def flood() -> None:
            for _ in range(100):
                await ours.send(b"x" * MIB)

        for _ in range(100):
            assert len(await receive_within(limit, theirs, refuse)) == MIB
        # The hundredth is taken when the 99 before it have had their time.
        assert trio.current_time() == (99 - 32) / 4


async def test_a_screenshot_now_and_then_waits_for_nothing(autojump_clock: MockClock) -> None:
    """5 MiB every two seconds."""
    limit = rate()
    for _ in range(100):
        assert limit.wait(trio.current_time()) == 0
        limit.weigh(5 * MIB, trio.current_time())
        await trio.sleep(2)
