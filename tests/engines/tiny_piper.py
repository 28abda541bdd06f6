"""The smallest voice that Piper loads: each letter is a tone of 20 ms. Its phonemes are letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE = 16_000
LETTER = 320
"""Samples of a phoneme. Piper puts one behind each letter, and three around them all."""


def write_voice(path: Path) -> None:
    """Write the model ``path`` and its description beside it."""
    tone = (np.sin(np.arange(LETTER) * 2 * np.pi * 400 / RATE) * 0.5).astype(np.float32)
    constants: dict[str, Any] = {
        "one": np.array(1, np.float32),
        "zero": np.array(0, np.float32),
        "as_column": np.array([-1, 1], np.int64),
        "as_sound": np.array([1, 1, 1, -1], np.int64),
        "tone": tone[None],
    }
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
        helper.make_node("Reshape", ["ones", "as_column"], ["column"]),
        helper.make_node("MatMul", ["column", "tone"], ["tones"]),
        helper.make_node("Reshape", ["tones", "as_sound"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "N"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "T"])
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    phonemes = {
        "_": [0],
        "^": [1],
        "$": [2],
        **{chr(code): [code] for code in range(32, 127) if chr(code) not in "_^$"},
    }
    described = {
        "num_symbols": 128,
        "num_speakers": 1,
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "text",
        "phoneme_id_map": phonemes,
    }
    Path(f"{path}.json").write_text(json.dumps(described), "utf-8")
