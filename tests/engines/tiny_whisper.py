"""The smallest model that whisper.cpp loads: it says “Hello there.”, whatever it hears.

One layer each way and eight numbers a token; all weights are zero but the embeddings. Where every layer adds
nothing, the decoder's output depends on the position alone, so that each position can be given its token. The
format is that of whisper.cpp's ``models/convert-pt-to-ggml.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]

WIDTH, CONTEXT, TEXT_CONTEXT, MELS, VOCABULARY = 8, 1500, 448, 80, 51_865
TRANSCRIPT = " Hello there."
HELLO, END, FIRST_TIME = 1000, 50_257, 50_364
# The start, the language and the task are read; then come a time, the words, a time, and the end.
SAID = {2: FIRST_TIME, 3: HELLO, 4: FIRST_TIME + 50, 5: END}


def weights() -> Mapping[str, Weights]:
    """All tensors by whisper's own names."""
    embedding = np.zeros((VOCABULARY, WIDTH), np.float32)
    positions = np.zeros((TEXT_CONTEXT, WIDTH), np.float32)
    for axis, (position, token) in enumerate(SAID.items()):
        embedding[token, axis] = 10
        positions[position, axis] = 1000
    positions[max(SAID) :, len(SAID) - 1] = 1000
    return {
        "encoder.positional_embedding": zeros(CONTEXT, WIDTH),
        "encoder.conv1.weight": zeros(WIDTH, MELS, 3),
        "encoder.conv1.bias": zeros(WIDTH, 1),
        "encoder.conv2.weight": zeros(WIDTH, WIDTH, 3),
        "encoder.conv2.bias": zeros(WIDTH, 1),
        **norm("encoder.ln_post"),
        **dict(layer("encoder.blocks.0", across=False)),
        "decoder.positional_embedding": positions,
        "decoder.token_embedding.weight": embedding,
        **norm("decoder.ln"),
        **dict(layer("decoder.blocks.0", across=True)),
    }


def layer(name: str, *, across: bool) -> Iterator[tuple[str, Weights]]:
    """A transformer's layer that adds nothing."""
    for attention in ("attn", "cross_attn") if across else ("attn",):
        for part in ("query", "key", "value", "out"):
            yield f"{name}.{attention}.{part}.weight", zeros(WIDTH, WIDTH)
            if part != "key":
                yield f"{name}.{attention}.{part}.bias", zeros(WIDTH)
        yield from norm(f"{name}.{attention}_ln").items()
    yield from norm(f"{name}.mlp_ln").items()
    for number, (rows, columns) in {0: (4 * WIDTH, WIDTH), 2: (WIDTH, 4 * WIDTH)}.items():
        yield f"{name}.mlp.{number}.weight", zeros(rows, columns)
        yield f"{name}.mlp.{number}.bias", zeros(rows)


def norm(name: str) -> dict[str, Weights]:
    """A normalisation as it is at first."""
    return {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": zeros(WIDTH)}


def zeros(*shape: int) -> Weights:
    """Nothing."""
    return np.zeros(shape, np.float32)


def write_model(path: Path) -> None:
    """Write it to ``path``: 2 MB."""
    half = 1
    sizes = (VOCABULARY, CONTEXT, WIDTH, 1, 1, TEXT_CONTEXT, WIDTH, 1, 1, MELS, half)
    with path.open("wb") as file:
        file.write(struct.pack("<I11i", 0x67676D6C, *sizes))
        file.write(struct.pack("<2i", MELS, 201) + bytes(4 * MELS * 201))
        # whisper.cpp looks the blank up, to suppress it at the beginning.
        known = {HELLO: TRANSCRIPT.encode(), 220: b" "}
        words = [known.get(token, b"x") for token in range(END)]
        file.write(struct.pack("<i", len(words)))
        for word in words:
            file.write(struct.pack("<I", len(word)) + word)
        for name, tensor in weights().items():
            # Matrices in halves, the rest whole, as whisper.cpp expects them.
            halved = tensor.ndim >= 2 and "bias" not in name and "positional" not in name
            file.write(struct.pack("<3i", tensor.ndim, len(name), int(halved)))
            file.write(struct.pack(f"<{tensor.ndim}i", *reversed(tensor.shape)) + name.encode())
            file.write(tensor.astype(np.float16 if halved else np.float32).tobytes())
