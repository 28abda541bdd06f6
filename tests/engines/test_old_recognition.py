"""The recognisers of the older backend: each name and key of its template is read, or named with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from trio_backend.engines.registry import configure, known, without_effect
from trio_backend.engines.settings import Environment
from trio_backend.errors import SettingsError

# The keys of `asr_config` in its conf.default.yaml, those that are commented out there included, with values
# of the same kind.
OLD: Mapping[str, Mapping[str, object]] = {
    "azure_asr": {"api_key": "azure_api_key", "region": "eastus", "languages": ["en-US", "zh-CN"]},
    "faster_whisper": {
        "model_path": "large-v3-turbo",
        "download_root": "models/whisper",
        "language": "en",
        "device": "auto",
        "compute_type": "int8",
        "prompt": "",
    },
    "whisper_cpp": {
        "model_name": "small",
        "model_dir": "models/whisper",
        "print_realtime": False,
        "print_progress": False,
        "language": "auto",
        "prompt": "",
    },
    "whisper": {"name": "medium", "download_root": "models/whisper", "device": "cpu", "prompt": ""},
    "fun_asr": {
        "model_name": "iic/SenseVoiceSmall",
        "vad_model": "fsmn-vad",
        "punc_model": "ct-punc",
        "device": "cpu",
        "disable_update": True,
        "ncpu": 4,
        "hub": "ms",
        "use_itn": False,
        "language": "auto",
    },
    "sherpa_onnx_asr": {
        "model_type": "sense_voice",
        **dict.fromkeys(["encoder", "decoder", "joiner", "paraformer", "nemo_ctc", "wenet_ctc"], ""),
        **dict.fromkeys(["tdnn_model", "whisper_encoder", "whisper_decoder", "hotwords_file"], ""),
        **dict.fromkeys(["modeling_unit", "bpe_vocab", "whisper_language"], ""),
        "sense_voice": "./models/model.int8.onnx",
        "tokens": "./models/tokens.txt",
        "hotwords_score": 1.5,
        "num_threads": 4,
        "whisper_task": "transcribe",
        "whisper_tail_paddings": -1,
        "blank_penalty": 0.0,
        "decoding_method": "greedy_search",
        "debug": False,
        "sample_rate": 16000,
        "feature_dim": 80,
        "use_itn": True,
        "provider": "cpu",
    },
    "groq_whisper_asr": {"api_key": "", "model": "whisper-large-v3-turbo", "lang": ""},
}


@pytest.mark.parametrize("name", OLD)
def test_each_name_and_key_is_understood(name: str) -> None:
    """Where its template leaves a key out, that is the only thing that is missing."""
    settings = OLD[name]
    assert name in known("asr")
    environ = {"AZURE_SPEECH_KEY": "k", "GROQ_API_KEY": "k"}
    configure("asr", name, settings, environment=Environment(Path(), environ))
    if "api_key" in settings:
        with pytest.raises(SettingsError) as caught:
            configure("asr", name, settings, environment=Environment(Path(), {}))
        assert [caught.value.key, *caught.value.others] == ["api_key"]
        assert "environment" in str(caught.value)
    assert all(key in settings and reason for key, reason in without_effect("asr", name, settings))
