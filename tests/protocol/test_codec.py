"""The wire format: what goes out is what clients know, and what comes in is read, or refused in words."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend import protocol as say
from trio_backend.errors import ProtocolError
from trio_backend.protocol import (
    Audio,
    DisplayText,
    Incoming,
    Outgoing,
    Utf8,
    decode,
    decode_steps,
    encode,
)

NAMES = {cls.type for cls in get_args(Incoming)}
TEXT = DisplayText("Hi.", "Iris", "iris.svg")


def sent(message: Outgoing) -> dict[str, Any]:
    """What a client reads."""
    found: dict[str, Any] = json.loads(encode(message))
    return found


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (say.Control("start-mic"), {"type": "control", "text": "start-mic"}),
        (say.HeartbeatAck(), {"type": "heartbeat-ack"}),
        (
            say.HelloAnswer(("pieces",)),
            {"type": "hello", "accepts": ["pieces"], "server": "trio-backend"},
        ),
        (say.PartialTranscription("How a"), {"type": "partial-transcription", "text": "How a"}),
        (
            say.WakeWords({"en": ("hey mao",)}, "listening"),
            {"type": "wake-words", "words": {"en": ["hey mao"]}, "current_state": "listening"},
        ),
        (
            say.Latency({"end of turn": 250, "first token": 12.5}),
            {"type": "latency", "end of turn": 250, "first token": 12.5},
        ),
        (
            say.AudioPiece(3, last=True, audio=b"UklG", volumes=(1.0,)),
            {
                "type": "audio", "sentence": 3, "last": True, "audio": "UklG", "volumes": [1.0],
                "display_text": None, "actions": {}, "slice_length": 20, "forwarded": False,
            },
        ),
        (
            say.AudioStream(3, TEXT, {}),
            {
                "type": "audio", "sentence": 3, "stream": True, "audio": None, "volumes": [],
                "display_text": {"text": "Hi.", "name": "Iris", "avatar": "iris.svg"},
                "actions": {}, "slice_length": 20, "forwarded": False,
            },
        ),
        (say.Error('no "a"', "bad-config"), {"type": "error", "message": 'no "a"', "code": "bad-config"}),
        (say.GroupUpdate((), is_owner=False), {"type": "group-update", "members": [], "is_owner": False}),
        (
            say.SetModelAndConf({"name": "mao", "kScale": 0.5}, "Mao", "mao_1", "7f3a"),
            {
                "type": "set-model-and-conf", "model_info": {"name": "mao", "kScale": 0.5},
                "conf_name": "Mao", "conf_uid": "mao_1", "client_uid": "7f3a",
            },
        ),
    ],
)  # fmt: skip
def test_a_message_is_an_object_with_its_type(message: Outgoing, read: dict[str, Any]) -> None:
    """The fields are the wire's own, and so are their names."""
    assert sent(message) == read


@pytest.mark.parametrize("sound", [None, b"", b"UklGRg=="])
def test_a_sentence_is_shown_with_its_sound(sound: bytes | None) -> None:
    """Or without; the other fields are the same."""
    message = Audio(sound, (0.5, 1.0), TEXT, {"expressions": [4]})
    assert sent(message) == {
        "type": "audio",
        "audio": None if sound is None else sound.decode(),
        "volumes": [0.5, 1.0],
        "display_text": {"text": "Hi.", "name": "Iris", "avatar": "iris.svg"},
        "actions": {"expressions": [4]},
        "slice_length": 20,
        "forwarded": False,
    }


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_sound_survives(wav: bytes, text: str) -> None:
    """Whatever is said beside it."""
    text += '"audio":null'
    read = sent(Audio(base64.b64encode(wav), (), DisplayText(text, text, text), {}))
    assert base64.b64decode(read["audio"]) == wav
    assert read["display_text"]["text"] == text


def test_the_stages_of_a_latency_keep_their_order() -> None:
    """They add up from the first to the last."""
    stages = {"z": 1.0, "a": 2.0, "m": 3.0}
    assert list(sent(say.Latency(stages)))[1:] == list(stages)


def test_a_hello_names_what_the_client_accepts() -> None:
    """Names of other times are passed over, and none is agreed to twice."""
    hello = decode('{"type": "hello", "accepts": ["bytes", "opus", "pieces", "bytes"], "resume": "x"}')
    assert isinstance(hello, say.Hello)
    assert hello.agreed == ("pieces", "bytes")


@given(st.binary(max_size=200).filter(lambda data: not len(data) % 2), st.booleans())
def test_a_binary_frame_is_a_header_of_16_bytes_and_samples(samples: bytes, last: bool) -> None:
    """All little-endian: sentence, piece, rate, flags, nothing, and then the samples."""
    frame = say.SoundFrame(7, 2, 24_000, last, samples)
    data = say.encode_frame(frame)
    assert data == bytes([7, 0, 0, 0, 2, 0, 0, 0, 0xC0, 0x5D, 0, 0, last, 0, 0, 0]) + samples
    assert say.decode_frame(data) == frame


@pytest.mark.parametrize("data", [b"", bytes(15), bytes(17)])
def test_a_binary_frame_that_is_torn_is_refused(data: bytes) -> None:
    """A relay must not fail because of what a server sends."""
    with pytest.raises(ProtocolError):
        say.decode_frame(data)


def test_the_type_comes_first() -> None:
    """Whoever passes messages on need not read the rest."""
    messages = (
        say.HeartbeatAck(),
        say.FullText("x"),
        Audio(b"UklG", (), TEXT, {}),
        Audio(None, (), TEXT, {}),
    )
    for message in messages:
        assert encode(message).startswith(b'{"type":"%s"' % message.type.encode())


def test_what_we_do_not_know_is_passed_over() -> None:
    """Clients of other times send more fields."""
    frame = '{"auth": 1, "type": "text-input", "text": "Hi", "images": null, "from": "a pet"}'
    assert decode(frame) == say.TextInput("Hi")


@pytest.mark.parametrize(
    ("frame", "code", "says"),
    [
        (b"{}", "bad-message", "binary frames"),
        ("", "bad-message", "not a JSON object"),
        ("[]", "bad-message", "not a JSON object"),
        ('{"type": 1}', "bad-message", "not a JSON object"),
        ("[" * 99_999, "bad-message", "not a JSON object"),
        ('{"type": "sing"}', "unknown-type", "no message type 'sing'"),
        ('{"type": "text-input"}', "bad-message", "text-input: .*`text`"),
        ('{"type": "text-input", "text": 1}', "bad-message", r"text-input: .*`\$.text`"),
        ('{"type": "text-input", "text": "\ud800"}', "bad-message", "text-input|not a JSON"),
        ('{"type": "mic-audio-data", "audio": [0, "secret"]}', "bad-message", r"data: .*audio\[1\]"),
        ('{"type": "mic-format", "format": "mp3"}', "bad-message", "mic-format: "),
        (
            '{"type": "text-input", "text": "", "images": [{"data": "https://a.example/b.png"}]}',
            "bad-message", "an image's data must be a data URL",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_words(frame: str | bytes, code: str, says: str) -> None:
    """The field is named, and nothing is repeated that the client said."""
    with pytest.raises(ProtocolError, match=says) as caught:
        decode(frame)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


FIELDS = st.sampled_from(["text", "audio", "images", "file", "type"])


@given(st.dictionaries(FIELDS, st.integers() | st.text(), max_size=4), st.sampled_from(sorted(NAMES)))
def test_any_object_is_a_message_or_refused(fields: dict[str, object], name: str) -> None:
    """Nothing that a client says fails in another way."""
    frame = json.dumps({**fields, "type": name})
    with suppress(ProtocolError):
        assert decode(frame).type == name


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize(
    "before", ["", '{"type":', '{"type":"text-input","text":', '{"type":"heartbeat","x":']
)
def test_nothing_is_nested_too_deeply_to_be_refused(before: str, depth: int) -> None:
    """In words, as anything else that cannot be read."""
    with pytest.raises(ProtocolError) as caught:
        decode(before + "[" * depth)
    assert caught.value.code == "bad-message"


def test_what_stands_for_a_number_is_none() -> None:
    """Nothing is guessed: neither in a list, nor by itself."""
    with pytest.raises(ProtocolError, match="float"):
        decode('{"type": "raw-audio-data", "audio": ["0.5"]}')


def test_an_unknown_type_is_repeated_in_part() -> None:
    """A megabyte of it is not sent back."""
    with pytest.raises(ProtocolError) as caught:
        decode(json.dumps({"type": "y" * 100_000}))
    assert caught.value.code == "unknown-type"
    assert "y" * 40 in str(caught.value)
    assert "y" * 41 not in str(caught.value)


@pytest.mark.parametrize(("pictures", "taken"), [(90, True), (3_000, True), (6_000, False)])
def test_pictures_without_data_are_counted(pictures: int, taken: bool) -> None:
    """Each costs an object, however short it is; a large message may have a few thousand."""
    picture = '{"source":"upload","data":"data:image/png;base64,","mime_type":"image/png"}'
    images = ",".join([picture] * pictures)
    frame = f'{{"type":"ai-speak-signal","pad":"{"x" * 140_000}","images":[{images}]}}'
    if taken:
        assert len(list(decode_steps(Utf8(frame.encode())))) >= 1
    else:
        with pytest.raises(ProtocolError, match="no pictures"):
            list(decode_steps(Utf8(frame.encode())))
