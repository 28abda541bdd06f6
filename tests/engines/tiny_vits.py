"""The smallest VITS model that sherpa-onnx loads: each letter is a tone of 20 ms. Its tokens are letters.

By the names and metadata that ``offline-tts-vits-model.cc`` asks for, with the frontend ``characters``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE = 16_000
LETTER = 320
"""Samples of a letter that is said neither faster nor slower."""
SPEAKERS = 2
"""The second is half as loud."""


def write_model(folder: Path, frontend: str = "characters") -> None:
    """Write ``model.onnx`` and ``tokens.txt``. With another ``frontend`` the model would need more files."""
    tone = (np.sin(np.arange(LETTER) * 2 * np.pi * 400 / RATE) * 0.8).astype(np.float32)
    constants: dict[str, Any] = {
        "one": np.array(1, np.float32),
        "zero": np.array(0, np.float32),
        "as_column": np.array([-1, 1], np.int64),
        "as_sound": np.array([1, 1, -1], np.int64),
        "tone": tone[None],
        "loudness": np.array([1, 0.5], np.float32),
        "second": np.array([1], np.int64),
        "in_samples": np.array([1, 1, 1], np.float32),
        "last": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
        helper.make_node("Reshape", ["ones", "as_column"], ["column"]),
        helper.make_node("MatMul", ["column", "tone"], ["tones"]),
        helper.make_node("Reshape", ["tones", "as_sound"], ["sound"]),
        helper.make_node("Gather", ["loudness", "sid"], ["loud"]),
        helper.make_node("Mul", ["sound", "loud"], ["spoken"]),
        # As long as the scale says: the length is the second of three.
        helper.make_node("Gather", ["scales", "second"], ["slow"]),
        helper.make_node("Slice", ["in_samples", "zero_at", "two_at"], ["unchanged"]),
        helper.make_node("Concat", ["unchanged", "slow"], ["stretch"], axis=0),
        helper.make_node("Resize", ["spoken", "", "stretch"], ["output"], mode="nearest"),
    ]
    constants |= {"zero_at": np.array([0], np.int64), "two_at": np.array([2], np.int64)}
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "N"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        helper.make_tensor_value_info("sid", TensorProto.INT64, [1]),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "T"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    metadata = {
        "comment": "coqui",
        "frontend": frontend,
        "language": "English",
        "sample_rate": f"{RATE}",
        "n_speakers": f"{SPEAKERS}",
        "use_eos_bos": "0",
    }
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    lines = [" 0", *(f"{letter} {number}" for number, letter in enumerate(letters, 1))]
    (folder / "tokens.txt").write_text("\n".join(lines) + "\n", "utf-8")
