"""The smallest streaming model that sherpa-onnx loads: it says “hello there friend”, a word a step.

A transducer of the kind ``lstm``, by the names and shapes that ``online-lstm-transducer-model.cc`` asks for.
Its encoder passes its states on and gives zeros; its decoder gives, for the last token, the next one; its
joiner adds both. So each frame adds a word, until there are no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WORDS = ("hello", "there", "friend")
VOCABULARY = 1 + len(WORDS)
MELS, CHUNK, WINDOW, FRAMES = 80, 4, 9, 1


def write_model(folder: Path) -> None:
    """Write ``encoder.onnx``, ``decoder.onnx``, ``joiner.onnx`` and ``tokens.txt``."""
    following = np.full((VOCABULARY, VOCABULARY), -10, np.float32)
    for token in range(VOCABULARY):
        following[token, (token + 1) % VOCABULARY] = 10
    constants = {
        "zero": np.zeros(1, np.float32),
        "starts": np.array([0, 0], np.int64),
        "ends": np.array([FRAMES, VOCABULARY], np.int64),
        "axes": np.array([1, 2], np.int64),
        "last": np.array(1, np.int64),
        "following": following,
    }
    nodes = [
        helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["part"]),
        helper.make_node("Mul", ["part", "zero"], ["encoder_out"]),
        helper.make_node("Identity", ["h"], ["next_h"]),
        helper.make_node("Identity", ["c"], ["next_c"]),
    ]
    state = ("L", "N", "D")
    save(
        folder / "encoder.onnx",
        nodes,
        {"x": ("N", WINDOW, MELS), "h": state, "c": state},
        {"encoder_out": ("N", FRAMES, VOCABULARY), "next_h": state, "next_c": state},
        constants,
        {
            "model_type": "lstm",
            "num_encoder_layers": "1",
            "T": f"{WINDOW}",
            "decode_chunk_len": f"{CHUNK}",
            "rnn_hidden_size": "4",
            "d_model": "4",
        },
    )
    nodes = [
        helper.make_node("Gather", ["y", "last"], ["previous"], axis=1),
        helper.make_node("Gather", ["following", "previous"], ["decoder_out"], axis=0),
    ]
    save(
        folder / "decoder.onnx",
        nodes,
        {"y": ("N", 2)},
        {"decoder_out": ("N", VOCABULARY)},
        constants,
        {"vocab_size": f"{VOCABULARY}", "context_size": "2"},
    )
    save(
        folder / "joiner.onnx",
        [helper.make_node("Add", ["encoder_out", "decoder_out"], ["logit"])],
        {"encoder_out": ("N", VOCABULARY), "decoder_out": ("N", VOCABULARY)},
        {"logit": ("N", VOCABULARY)},
        {},
        {"joiner_dim": f"{VOCABULARY}"},
    )
    tokens = ["<blk>", *(f"▁{word}" for word in WORDS)]
    lines = [f"{token} {number}" for number, token in enumerate(tokens)]
    (folder / "tokens.txt").write_text("\n".join(lines) + "\n", "utf-8")


Shapes = Mapping[str, Sequence[int | str]]


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Shapes,
    outputs: Shapes,
    constants: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> None:
    """One file, with what sherpa-onnx reads of its metadata."""
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        path.stem,
        [info(name, shape) for name, shape in inputs.items()],
        [info(name, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def info(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    """What goes in or out: tokens are whole numbers, all else are not."""
    return helper.make_tensor_value_info(name, TensorProto.INT64 if name == "y" else TensorProto.FLOAT, shape)
