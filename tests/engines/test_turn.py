"""A model that hears the end of a turn: its features, its process, and what is said where it is missing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing

from tests.engines.speech_sounds import noise, silence
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engines.registry import EngineConfig, configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.turn import smart_turn, smart_turn_process
from trio_backend.engines.turn.log_mel import BANDS, FRAMES, log_mel
from trio_backend.errors import EngineError, SettingsError

SaveModel = Callable[..., EngineConfig]


def tones(seconds: float) -> Pcm:
    """A rising tone that comes and goes, a steady one, and something like noise."""
    at = np.arange(round(seconds * RATE)) / RATE
    wave = 9000 * np.sin(2 * np.pi * (200 * at + 300 * at**2)) * (np.sin(2 * np.pi * 1.5 * at) > 0)
    wave += 2000 * np.sin(2 * np.pi * 3000 * at) + 500 * np.cos(12345.678 * at**3)
    return Pcm(wave.astype("<i2").tobytes(), RATE)


@pytest.mark.parametrize(
    ("seconds", "numbers", "bands", "frames"),
    [
        (
            3,
            [0.158, 0.9097, -0.1751, -0.1751, -0.1751, -0.1751, -0.1751, -0.1751, 0.8043, -0.0427],
            [0.0367, -0.0661, -0.0455, -0.0493, -0.0688, -0.1262, -0.1277, -0.1344],
            [-0.1731, -0.1731, -0.1731, -0.1731, -0.1731, 0.7098, 0.8783, 0.9202],
        ),
        (
            10,
            [-0.2897, -0.2897, -0.2897, 0.848, -0.2897, 0.8964, 1.2545, -0.2897, -0.2897, 0.7661],
            [-0.1026, -0.0951, -0.0628, -0.0391, 0.0137, 0.0218, 0.0457, 0.0483],
            [0.9891, 0.8197, 0.7918, 0.7475, 0.7226, 0.7735, 0.6505, 0.6416],
        ),
    ],
)
def test_features_are_those_that_the_model_was_trained_with(
    seconds: int, numbers: list[float], bands: list[float], frames: list[float]
) -> None:
    """As WhisperFeatureExtractor(chunk_length=8) of transformers 5.23 made them of the same sound."""
    features = log_mel(tones(seconds).samples)

    assert features.shape == (BANDS, FRAMES)
    scattered = (np.arange(2, 12) * 7919 + 4000 * seconds) % features.size
    assert features.reshape(-1)[scattered] == pytest.approx(numbers, abs=2e-4)
    assert features.mean(axis=1)[::10] == pytest.approx(bands, abs=2e-4)
    assert features.mean(axis=0)[::100] == pytest.approx(frames, abs=2e-4)


def test_only_the_last_seconds_are_heard() -> None:
    """And no sound at all is silence."""
    assert np.array_equal(log_mel(noise(3).samples + tones(8).samples), log_mel(tones(8).samples))
    assert len(np.unique(log_mel(b""))) == 1


@pytest.fixture
def save_model(tmp_path: Path) -> SaveModel:
    """Writes a model with the input of Smart Turn v3; gives the engine with it.

    Its output is ``factor`` times the mean of the features, as a probability unless it is ``raw``.
    """
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    def save(factor: float = 1.0, *, raw: bool = False, shape: tuple[Any, ...] = ("b", BANDS, FRAMES)) -> Any:
        make, kind = onnx.helper, onnx.TensorProto.FLOAT
        nodes = [
            make.make_node("ReduceMean", ["input_features"], ["mean"], axes=[1, 2], keepdims=0),
            make.make_node("Mul", ["mean", "factor"], ["score"]),
            make.make_node("Identity" if raw else "Sigmoid", ["score"], ["probability"]),
        ]
        graph = make.make_graph(
            nodes,
            "turn",
            [make.make_tensor_value_info("input_features", kind, shape)],
            [make.make_tensor_value_info("probability", kind, ["b"])],
            [make.make_tensor("factor", kind, [], [factor])],
        )
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, str(tmp_path / "turn.onnx"))
        return engine(tmp_path)

    return save


def engine(folder: Path) -> EngineConfig:
    """The engine with the model in ``folder``."""
    return configure("turn", "smart_turn", {"model": "turn.onnx"}, environment=Environment(folder, {}))


def stop(turn: smart_turn.SmartTurn) -> None:
    """Let its process answer nothing any more; it can still be killed."""
    assert turn._worker._child is not None
    turn._worker._child._process.send_signal(signal.SIGSTOP)


async def test_the_model_is_asked_in_its_own_process(save_model: SaveModel) -> None:
    """With the features of the sound, whatever its rate."""
    async with open_engine(save_model()) as turn:
        for sound in (tones(3), tones(10), silence(1)):
            expected = 1 / (1 + np.exp(-float(log_mel(sound.samples).mean())))
            assert await turn.probability(sound) == pytest.approx(expected, abs=1e-5)
        assert 0 < await turn.probability(tones(1).resampled(48_000)) < 1


async def test_who_is_cancelled_leaves_the_process_to_the_others(save_model: SaveModel) -> None:
    """They wait no longer, and no other process has to be loaded; what nobody waits for is not computed."""
    async with open_engine(save_model()) as turn:
        child = turn._worker._child
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(turn.probability, tones(8))
                # The first has been sent.
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            assert 0 < await turn.probability(tones(8)) < 1
        assert turn._worker._child is child
        assert turn._waiting == 0


async def test_who_waits_when_it_is_closed_is_told(save_model: SaveModel) -> None:
    """No answer is not an answer of 0."""
    errors: list[str] = []

    async def ask() -> None:
        try:
            await turn.probability(tones(8))
        except EngineError as error:
            errors.append(str(error))

    async with trio.open_nursery() as nursery, open_engine(save_model()) as turn:
        stop(turn)
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
    assert len(errors) == 2
    assert "closed" in errors[1]


async def test_so_many_may_wait(save_model: SaveModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes then goes without the model."""
    monkeypatch.setattr(smart_turn, "MOST_WAITING", 2)
    async with open_engine(save_model()) as turn, trio.open_nursery() as nursery:
        stop(turn)
        nursery.start_soon(turn.probability, tones(1))
        nursery.start_soon(turn.probability, tones(1))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(EngineError, match="too many people pause"):
            await turn.probability(tones(1))
        nursery.cancel_scope.cancel()


async def test_what_is_no_model_is_said_when_it_is_loaded(save_model: SaveModel, tmp_path: Path) -> None:
    """No file, no model, another input, another output."""
    with pytest.raises(EngineError, match=r"there is no file .*turn\.onnx; get one at"):
        async with open_engine(engine(tmp_path)):
            raise AssertionError("opened")
    (tmp_path / "turn.onnx").write_bytes(b"no model")
    with pytest.raises(EngineError, match="no model that onnxruntime knows"):
        async with open_engine(engine(tmp_path)):
            raise AssertionError("opened")
    with pytest.raises(EngineError, match=r"input_features \[batch, 80, 800\]; this one takes .* 3000"):
        async with open_engine(save_model(shape=("b", BANDS, 3000))):
            raise AssertionError("opened")
    with pytest.raises(EngineError, match="its output is no probability"):
        async with open_engine(save_model(100.0, raw=True)):
            raise AssertionError("opened")


def test_a_missing_library_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the process says it, where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"install the extra `turn`: `.+\[turn\]'`$"):
        smart_turn_process.load({"model": "turn.onnx"})


def test_a_file_must_be_named() -> None:
    """Relative paths start at the folder of the configuration."""
    with pytest.raises(SettingsError, match="model: must be the path"):
        configure("turn", "smart_turn", {}, environment=Environment(Path(), {}))
    config = configure("turn", "smart_turn", {"model": "a.onnx"}, environment=Environment(Path("conf"), {}))
    assert config.settings == smart_turn.SmartTurnConfig(Path("conf/a.onnx"))
