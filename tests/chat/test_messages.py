"""What the server's messages mean to a client, and the client's to the server."""

from __future__ import annotations

import base64
from typing import get_args

import pytest

from trio_backend import protocol
from trio_backend.client.messages import (
    ModelInfo,
    ReceivedAudio,
    ReceivedControl,
    ReceivedDisplayText,
    ReceivedError,
    ReceivedModelAndConf,
    ServerMessage,
    decode,
    encode,
)
from trio_backend.errors import ProtocolError


def test_every_message_that_we_read_is_one_of_our_servers() -> None:
    """What no client has a use for is passed over."""
    read = {cls.__struct_config__.tag for cls in get_args(ServerMessage)}
    assert read <= {cls.type for cls in get_args(protocol.Outgoing)}
    assert decode(protocol.encode(protocol.GroupUpdate((), False))) is None
    assert decode('{"type": "of-another-time"}') is None


def test_our_servers_audio_is_read() -> None:
    """SpokenSentence, speaker, sound and its length."""
    sent = protocol.Audio(
        b"UklG", (0.5, 1.0), protocol.DisplayText("Hi.", "Iris", "iris.svg"), {"expressions": [4]}
    )
    audio = decode(protocol.encode(sent))
    assert isinstance(audio, ReceivedAudio)
    assert audio.display_text == ReceivedDisplayText("Hi.", "Iris")
    assert audio.seconds == pytest.approx(0.04)
    assert audio.wav() == base64.b64decode(b"UklG")


@pytest.mark.parametrize("audio", ["null", '""'])
def test_what_other_servers_leave_out_is_not_missed(audio: str) -> None:
    """Null or absent, the message is still of use."""
    silent = decode(f'{{"type": "audio", "audio": {audio}, "volumes": [1.0], "actions": null}}')
    assert isinstance(silent, ReceivedAudio)
    assert (silent.sounds, silent.seconds, silent.wav()) == (False, 0.0, None)
    assert decode('{"type": "audio", "volumes": null}') == ReceivedAudio()
    assert decode('{"type": "error", "message": "no"}') == ReceivedError("no")
    assert decode('{"type": "control", "text": "something-new"}') == ReceivedControl("something-new")
    assert decode('{"type": "set-model-and-conf", "conf_name": "Mao"}') == ReceivedModelAndConf("Mao")


def test_sound_that_cannot_be_read_is_no_sound() -> None:
    """Its sentence is shown all the same."""
    broken = decode('{"type": "audio", "audio": "?", "volumes": [1.0]}')
    assert isinstance(broken, ReceivedAudio)
    assert broken.wav() is None


@pytest.mark.parametrize(
    "frame", ["", "[]", "{}", '{"type": 1}', '{"type": "audio", "volumes": 3}', "[" * 99999]
)
def test_what_cannot_be_read_is_told(frame: str) -> None:
    """It is no reason to end the conversation."""
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode(frame)


def test_an_expression_has_its_keyword() -> None:
    """The server sends what the avatar needs; the user reads what it means."""
    model = ModelInfo({"neutral": 0, "Joy": 4, "wink": "f03"})
    assert model.keyword(4) == "joy"
    assert model.keyword("f03") == "wink"
    assert model.keyword("Smile") == "smile"
    assert model.keyword(9) == ""
    assert ModelInfo(None).keyword(1) == ""
    # As the models of Open-LLM-VTuber have it: nobody is told of fear where the model wrote sadness.
    several = ModelInfo({"fear": 1, "sadness": 1, "anger": 2})
    assert several.keyword(1) == "fear/sadness"
    assert several.keyword(2) == "anger"


def test_what_we_say_is_what_the_server_reads() -> None:
    """Each message of ours survives the way there."""
    for message in (
        protocol.TextInput('He said "hm".\n你好'),
        protocol.InterruptSignal("One"),
        protocol.FrontendPlaybackComplete(),
        protocol.AiSpeakSignal(),
        protocol.SwitchConfig("mia.yaml"),
        protocol.Heartbeat(),
    ):
        assert protocol.decode(encode(message).decode()) == message
