"""A stand-in for the package `llama_cpp`, by its documented interface, where that is not installed.

It needs a compiler and minutes to be installed, so it is none of the packages that tests need. Where it is
there, tests ask it on a tiny model (tiny_llama.py), and this stand-in as well.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

LIBRARY = """
import os, time
class ggml_abort_callback:
    def __init__(self, asks): self.asks = asks
def llama_set_abort_callback(ctx, callback, data): ctx["wanted"] = callback.asks
class Llama:
    def __init__(self, model_path, *, n_ctx, n_gpu_layers, n_threads, chat_format, verbose):
        with open(model_path, "rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError(f"Failed to load model from file: {model_path}")
            template = file.read().decode("utf-8", "replace")
        self.ctx, self.n_ctx, self.verbose = {}, n_ctx, verbose
        self.metadata = {"tokenizer.chat_template": template}
        print("the library says something")
    def create_chat_completion(self, messages, *, stream, temperature=0.2, max_tokens=None):
        assert stream
        assert [m["role"] for m in messages][-1] == "user"
        if "no system" in self.metadata["tokenizer.chat_template"]:
            assert messages[0]["role"] != "system"
        size = sum(len(m["content"]) for m in messages)
        if size > self.n_ctx:
            raise ValueError(f"Requested tokens ({size}) exceed context window of {self.n_ctx}")
        if "break" in messages[-1]["content"]:
            raise RuntimeError("llama_decode returned -3: " + messages[-1]["content"])
        if "read long" in messages[-1]["content"]:
            while not self.ctx["wanted"](None):
                time.sleep(0.001)
            raise RuntimeError("llama_decode returned 2")
        yield {"choices": [{"delta": {"role": "assistant"}}]}
        yield {"choices": [{"delta": {"content": ""}}]}
        for word in [" Hello", " there,", " my", " friend."][:max_tokens]:
            time.sleep(0.002)
            yield {"choices": [{"delta": {"content": word}}]}
        yield {"choices": [{"delta": {}, "finish_reason": "stop"}]}
"""

CHAT_FORMAT = """
class Answer:
    def __init__(self, prompt): self.prompt = prompt
class Jinja2ChatFormatter:
    def __init__(self, template, eos_token, bos_token): self.template = template
    def __call__(self, *, messages):
        if "no system" in self.template and messages[0]["role"] == "system":
            raise ValueError("System role not supported")
        said = "".join(m["content"] for m in messages)
        return Answer(said + ("<think>\\n" if "opens thought" in self.template else ""))
"""


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the package there, and what it brings, and let child processes find it."""
    (folder / "llama_cpp").mkdir(parents=True)
    (folder / "llama_cpp" / "__init__.py").write_text(LIBRARY)
    (folder / "llama_cpp" / "llama_chat_format.py").write_text(CHAT_FORMAT)
    (folder / "jinja2.py").write_text("class TemplateError(Exception): pass")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
