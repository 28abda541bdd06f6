"""FunASR: its server's two passes and modes, and the library, of which a stand-in takes its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.engines.speech_services import SERVICES
from tests.engines.speech_sounds import noise, opened
from tests.engines.websocket_server import open_websocket_service
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr.funasr import FunAsrFormat
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError


def fed(machine: FunAsrFormat, *results: Mapping[str, object]) -> list[AsrTranscript]:
    """What comes of the results."""
    return [one for result in results for one in machine.receive(json.dumps(result))]


def result(mode: str, text: str, *, final: bool = False) -> dict[str, object]:
    """One of a server's results."""
    return {"mode": mode, "wav_name": "speech", "text": text, "is_final": final}


async def test_the_server_is_asked_as_it_is_documented() -> None:
    """The first message has all that is set; sound is bytes; the end asks for an acknowledgement."""
    async with open_websocket_service(SERVICES["fun_asr"].behaviour) as server:
        settings = {"base_url": server.url, "use_itn": True, "hotwords": '{"Mao": 20}'}
        async with opened("fun_asr", settings)() as asr:
            assert asr.streams
            await transcribed(asr, noise(0.5))
    (spoken,) = server.connections
    first, *sound, end = spoken.heard
    assert json.loads(first) == {
        "mode": "2pass",
        "chunk_size": [5, 10, 5],
        "chunk_interval": 10,
        "wav_name": "speech",
        "wav_format": "pcm",
        "audio_fs": 16000,
        "is_speaking": True,
        "hotwords": '{"Mao": 20}',
        "itn": True,
    }
    assert all(isinstance(piece, bytes) for piece in sound)
    assert json.loads(end) == {"is_speaking": False, "is_end": True}


def test_the_second_pass_rewrites_each_sentence() -> None:
    """The first pass adds piece to piece; what the second has said stays."""
    machine = FunAsrFormat("", True)
    assert fed(
        machine,
        result("2pass-online", "你好"),
        result("2pass-online", "吗"),
        result("2pass-online", ""),
        result("2pass-offline", "<|zh|><|NEUTRAL|>你好吗？", final=True),
        result("2pass-online", "我很"),
    ) == [
        AsrTranscript("你好", final=False),
        AsrTranscript("你好吗", final=False),
        AsrTranscript("你好吗？", final=False),
        AsrTranscript("你好吗？我很", final=False),
    ]
    machine.end()
    rewritten = AsrTranscript("你好吗？我很好。", final=False)
    assert fed(machine, result("2pass-offline", "我很好。", final=True)) == [rewritten]
    assert fed(machine, {"is_end": True, "is_final": True}) == [AsrTranscript(rewritten.text, final=True)]


@pytest.mark.parametrize("mode", ["2pass-offline", "offline", "online", ""])
def test_without_an_acknowledgement_the_final_result_is_the_last(mode: str) -> None:
    """Of the C++ runtime, and of older servers; but not one that came before the end of the sound."""
    machine = FunAsrFormat("", False)
    assert [one.final for one in fed(machine, result(mode, "a", final=True))] == [False]
    machine.end()
    assert [one.final for one in fed(machine, result("2pass-online", "b", final=True))] == [False]
    assert [one.final for one in fed(machine, result(mode, "c", final=True))] == [True]


def test_a_failure_of_the_server_is_told() -> None:
    """Which the acknowledgement reports; its words may hold anything."""
    machine = FunAsrFormat("", True)
    machine.end()
    with pytest.raises(EngineError, match="fun_asr: the server failed amid an utterance") as caught:
        fed(machine, {"mode": "2pass", "is_end": True, "is_final": False, "error": "sk-secret"})
    assert "secret" not in str(caught.value)


async def test_the_whole_utterance_is_recognised_at_its_end_where_that_is_set() -> None:
    """Then it does not stream."""
    async with opened("fun_asr", {"base_url": "ws://127.0.0.1:1", "mode": "offline"})() as asr:
        assert not asr.streams


LIBRARY = """
class AutoModel:
    def __init__(self, **options):
        if options["model"] == "nosuch": raise AssertionError("nosuch is not registered")
        self.options = options
    def generate(self, input, **options):
        return [{"text": f"<|en|><|Speech|>{self.options} {options} {len(input)} {input.dtype}"}]
"""


async def test_the_library_is_given_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own words; its marks are no words that were said."""
    (tmp_path / "funasr.py").write_text(LIBRARY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    settings = {
        "model_name": "iic/SenseVoiceSmall",
        "vad_model": "fsmn-vad",
        "punc_model": "",
        "device": "cpu",
        "disable_update": True,
        "ncpu": 2,
        "hub": "hf",
        "use_itn": False,
        "language": "zh",
    }
    async with opened("fun_asr", settings)() as asr:
        assert not asr.streams
        heard = await transcribed(asr, noise(1))
        assert await transcribed(asr, Pcm(b"", 16_000)) == ""
    assert "<|" not in heard
    for words in (
        "'model': 'iic/SenseVoiceSmall'",
        "'vad_model': 'fsmn-vad'",
        "'ncpu': 2",
        "'hub': 'hf'",
        "'disable_update': True",
        "'language': 'zh', 'use_itn': False",
        "16000 float32",
    ):
        assert words in heard
    assert "punc_model" not in heard
    with pytest.raises(EngineError, match="'nosuch' cannot be loaded: nosuch is not registered"):
        async with opened("fun_asr", {"model_name": "nosuch"})():
            raise AssertionError("never ready")


async def test_a_cancel_leaves_the_models_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Utterances are often given up, in pauses that end, and loading them takes long."""
    children = Children()
    monkeypatch.setattr("trio_backend.engines.asr.funasr.INTERRUPTION", 10)
    slow = "if len(input) > 16_000: time.sleep(3600)"
    text = LIBRARY.replace("        return", f"        {slow}\n        return", 1)
    (tmp_path / "funasr.py").write_text(f"import time\n{text}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with trio.fail_after(60):
        async with opened("fun_asr", {})() as asr:
            loaded = children.direct()
            with trio.move_on_after(0.2) as scope:
                await transcribed(asr, noise(2))
            assert scope.cancelled_caught
            assert "16000 float32" in await transcribed(asr, noise(1))
            assert children.direct() == loaded


async def test_a_library_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both remedies."""
    (tmp_path / "funasr.py").write_text("import torch_that_is_missing")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"torch_that_is_missing.*pip install funasr.*or set base_url"):
        async with opened("fun_asr", {})():
            raise AssertionError("never ready")


def test_settings_are_checked() -> None:
    """Modes and hubs are few."""
    for settings, told in (
        ({"mode": "both"}, "mode: must be one of"),
        ({"hub": "github"}, "hub: must be one of ms, hf"),
        ({"base_url": "10095"}, "base_url: must be a URL such as ws"),
    ):
        with pytest.raises(SettingsError, match=told):
            opened("fun_asr", settings)
