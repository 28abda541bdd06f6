"""`MODELS`: what `trio-backend download` gets, and where `sherpa_onnx_asr` looks for it.

All are files of the release `asr-models` of k2-fsa/sherpa-onnx: archives of which a few files are needed.
Sizes and checksums are those on which several other programs agree that download the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

RELEASE = "https://github.com/k2-fsa/sherpa-onnx/releases/download/asr-models"


@attrs.frozen
class ModelArchive:
    """A tar file that can be downloaded: its address, its exact ``size`` in bytes, and its SHA-256 in hex.

    ``unpacked`` is how many bytes the needed files may have together.
    """

    url: str
    size: int
    sha256: str
    unpacked: int


@attrs.frozen
class DownloadableModel:
    """A model that is downloaded by its ``name``.

    ``languages`` are codes as in ``en``; ``about`` is half a sentence for people. ``files`` are those in its
    archive, by the settings of `sherpa_onnx_asr` that name them.
    """

    name: str
    model_type: str
    languages: tuple[str, ...]
    about: str
    licence: str
    archive: ModelArchive
    files: Mapping[str, str] = attrs.field(hash=False)
    streams: bool = False

    def folder(self, home: Path) -> Path:
        """Where it is, or is put, for the configuration in the folder ``home``."""
        return home / "models" / self.name

    def is_in(self, home: Path) -> bool:
        """Whether all of its files are there; blocking."""
        return all((self.folder(home) / file).is_file() for file in self.files.values())


# Of many hundred: one that knows all three languages of the companion, a small one that streams, and one for
# all other languages.
_ALL = (
    DownloadableModel(
        "sense-voice",
        "sense_voice",
        ("zh", "en", "ja", "ko", "yue"),
        "Chinese, English, Japanese, Korean and Cantonese, each found out by itself",
        "FunASR Model License 1.1",
        ModelArchive(
            f"{RELEASE}/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-int8-2024-07-17.tar.bz2",
            163_002_883,
            "7d1efa2138a65b0b488df37f8b89e3d91a60676e416f515b952358d83dfd347e",
            250_000_000,
        ),
        {"sense_voice": "model.int8.onnx", "tokens": "tokens.txt"},
    ),
    DownloadableModel(
        "zipformer-en",
        "online_transducer",
        ("en",),
        "English, small and quick",
        "Apache-2.0",
        ModelArchive(
            f"{RELEASE}/sherpa-onnx-streaming-zipformer-en-20M-2023-02-17.tar.bz2",
            127_887_156,
            "9c559283e8498d3fe95913c79ca1cb454bb26281ac2b102b41306c7d752765d9",
            50_000_000,
        ),
        {
            "encoder": "encoder-epoch-99-avg-1.int8.onnx",
            "decoder": "decoder-epoch-99-avg-1.int8.onnx",
            "joiner": "joiner-epoch-99-avg-1.int8.onnx",
            "tokens": "tokens.txt",
        },
        streams=True,
    ),
    DownloadableModel(
        "whisper-base",
        "whisper",
        ("multi",),
        "OpenAI's Whisper, 99 languages, slower",
        "MIT",
        ModelArchive(
            f"{RELEASE}/sherpa-onnx-whisper-base.tar.bz2",
            207_557_382,
            "911b2083efd7c0dca2ac3b358b75222660dc09fb716d64fbfc417ba6c99ff3de",
            200_000_000,
        ),
        {
            "whisper_encoder": "base-encoder.int8.onnx",
            "whisper_decoder": "base-decoder.int8.onnx",
            "tokens": "base-tokens.txt",
        },
    ),
)

MODELS: Mapping[str, DownloadableModel] = {model.name: model for model in _ALL}

BEST = "sense-voice"
"""The one that messages name, and that `sherpa_onnx_asr` uses where no file is named."""

DOWNLOAD_BEST = f"trio-backend download {BEST}"
