"""The child process of `llama_cpp_llm`: messages as JSON in, the tokens of a reply out.

It imports what it needs of the library when it loads: `llama_cpp` takes 0.3 s.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from threading import Event
from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import WorkInParts, work_in_parts

TOO_LONG = "exceed context window"
"""What the library says of a prompt that has more tokens than ``n_ctx``."""


def load(settings: dict[str, Any], stopped: Event) -> WorkInParts:
    """The model of ``settings``."""
    try:
        import llama_cpp
    except ImportError:
        raise EngineError(
            f"llama_cpp_llm: the library is not installed: {extra_remedy('llama-cpp')}"
        ) from None
    try:
        llama = llama_cpp.Llama(
            settings["model_path"],
            n_ctx=settings["n_ctx"],
            n_gpu_layers=settings["n_gpu_layers"],
            n_threads=settings["n_threads"] or None,
            chat_format=settings["chat_format"] or None,
            verbose=settings["verbose"],
        )
    except (OSError, RuntimeError, ValueError) as error:
        # What the library says of a file that is no model, or of one that it does not know or has no room
        # for.
        raise EngineError(
            f"llama_cpp_llm: {settings['model_path']} cannot be loaded: {error}; with verbose: true the "
            "library says more to the server's standard error"
        ) from error
    # It asks between the steps of reading a prompt, which may take minutes. Kept here, since the library does
    # not keep it.
    wanted = llama_cpp.ggml_abort_callback(lambda _: stopped.is_set())
    llama_cpp.llama_set_abort_callback(llama.ctx, wanted, None)
    template = _Template(llama, settings["chat_format"])
    limits = {name: settings[name] for name in ("temperature", "max_tokens") if settings[name] is not None}

    def reply(request: bytes) -> Generator[str, None, None]:
        assert wanted
        # It goes with the first token, for which the patience is longer: the prompt is read before it.
        opening = "<think>" if template.opens_thought else ""
        messages = template.fitting(json.loads(request)["messages"])
        try:
            for chunk in llama.create_chat_completion(messages, stream=True, **limits):
                # There is one for each token; those of half a character have no text.
                if text := chunk["choices"][0]["delta"].get("content"):
                    yield opening + text
                    opening = ""
        except (RuntimeError, ValueError, template.error) as error:
            if not stopped.is_set():
                raise EngineError(_failure(error, settings["n_ctx"])) from error

    return reply


class _Template:
    """What the model's own chat template makes of a conversation, tried once."""

    def __init__(self, llama: Any, chat_format: str) -> None:
        # The library needs it for templates, and brings it.
        from jinja2 import TemplateError
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        self.error = TemplateError
        self.knows_system, self.opens_thought = True, False
        text = llama.metadata.get("tokenizer.chat_template")
        if chat_format or not text:
            return
        try:
            formatter = Jinja2ChatFormatter(template=text, eos_token="", bos_token="")
            user = {"role": "user", "content": "Hello."}
            # Reasoning models have the begin of their thoughts there, and write only the end of them.
            self.opens_thought = formatter(messages=[user]).prompt.rstrip().endswith("<think>")
            system = {"role": "system", "content": "You are Mao."}
            self.knows_system = "You are Mao." in formatter(messages=[system, user]).prompt
        except (ValueError, TypeError, TemplateError):
            # Templates raise on what they do not know, as those of Gemma do on a system prompt.
            self.knows_system = False

    def fitting(self, messages: Sequence[dict[str, str]]) -> Sequence[dict[str, str]]:
        """``messages``, with the system prompt before the user's first words where the model knows none."""
        if self.knows_system or messages[0]["role"] != "system":
            return messages
        system, first, *others = messages
        return [{"role": "user", "content": f"{system['content']}\n\n{first['content']}"}, *others]


def _failure(error: Exception, n_ctx: int) -> str:
    if TOO_LONG in str(error):
        return (
            f"llama_cpp_llm: the conversation is too long for n_ctx, {n_ctx or 'the model’s own'}; raise it, "
            "or start a new one"
        )
    # Not its text, which may quote the conversation.
    return f"llama_cpp_llm: the library failed ({type(error).__name__}); verbose: true lets it say more"


if __name__ == "__main__":
    work_in_parts(load)
