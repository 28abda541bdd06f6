"""A language model of a few kilobytes, in a GGUF file, that always says the same.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The model is a Llama of one layer that
adds nothing, so each token follows from the one before it alone: an embedding is one of a few orthogonal
vectors, and the output's rows say which token comes after which.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

SAYS = ("▁Hello", "▁there,", "▁my", "▁friend.")
"""Its tokens; one behind the other, then it ends."""
TEXT = " Hello there, my friend."

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""Prompts end in a colon, on which the first of its tokens follows."""

WIDTH, ALIGNMENT = 32, 32
_UNSIGNED, _SIGNED, _FLOAT, _TEXT, _LIST = 4, 5, 6, 8, 9
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_END = 2  # the token


def write_model(path: Path, *, template: str = TEMPLATE, follows: str = ":") -> None:
    """A model that says `TEXT` after a prompt that ends in ``follows``, one ASCII character."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *SAYS]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * len(SAYS)]
    facts: dict[str, tuple[int, object]] = {
        "general.architecture": (_TEXT, "llama"),
        "llama.context_length": (_UNSIGNED, 2048),
        "llama.embedding_length": (_UNSIGNED, WIDTH),
        "llama.block_count": (_UNSIGNED, 1),
        "llama.feed_forward_length": (_UNSIGNED, WIDTH),
        "llama.attention.head_count": (_UNSIGNED, 2),
        "llama.attention.layer_norm_rms_epsilon": (_FLOAT, 1e-5),
        "llama.vocab_size": (_UNSIGNED, len(tokens)),
        "tokenizer.ggml.model": (_TEXT, "llama"),
        "tokenizer.ggml.tokens": (_LIST, (_TEXT, tokens)),
        "tokenizer.ggml.scores": (_LIST, (_FLOAT, [0.0] * len(tokens))),
        "tokenizer.ggml.token_type": (_LIST, (_SIGNED, kinds)),
        "tokenizer.ggml.bos_token_id": (_UNSIGNED, 1),
        "tokenizer.ggml.eos_token_id": (_UNSIGNED, _END),
        "tokenizer.chat_template": (_TEXT, template),
    }
    path.write_bytes(_gguf(facts, _weights(tokens, follows)))


def _weights(tokens: Sequence[str], follows: str) -> dict[str, np.ndarray]:
    embedding = np.zeros((len(tokens), WIDTH), "<f4")
    output = np.zeros((len(tokens), WIDTH), "<f4")
    embedding[:, WIDTH - 1] = 1  # all others are alike
    chain = [tokens.index(f"<0x{ord(follows):02X}>"), *map(tokens.index, SAYS)]
    for place, token in enumerate(chain):
        embedding[token] = np.eye(WIDTH)[place]
    for place, follower in enumerate([*chain[1:], _END]):
        output[follower, place] = 20
    # What nothing follows on ends the reply, too.
    output[_END, WIDTH - 1] = 20
    nothing = np.zeros((WIDTH, WIDTH), "<f4")
    layer = {
        f"blk.0.{name}.weight": nothing
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    }
    norms = {
        f"{name}.weight": np.ones(WIDTH, "<f4")
        for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
    }
    return {"token_embd.weight": embedding, "output.weight": output, **layer, **norms}


def _gguf(facts: Mapping[str, tuple[int, object]], tensors: Mapping[str, np.ndarray]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    for key, (kind, value) in facts.items():
        head += _text(key) + struct.pack("<I", kind) + _value(kind, value)
    data = b""
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += _padded(tensor.tobytes())
    return _padded(head) + data


def _value(kind: int, value: object) -> bytes:
    if kind == _TEXT:
        return _text(str(value))
    if kind == _LIST:
        inner, items = cast(tuple[int, Sequence[object]], value)
        return struct.pack("<IQ", inner, len(items)) + b"".join(_value(inner, item) for item in items)
    return struct.pack("<f" if kind == _FLOAT else "<I", value)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)
