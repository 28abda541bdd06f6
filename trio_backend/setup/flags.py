"""The options of `trio-backend init`; the command line takes its help from these docstrings.

A module of its own, and a small one, since every command of `trio-backend` imports it: 1 ms.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import attrs
from cyclopts import Parameter
from cyclopts.validators import Number

LanguageCode: TypeAlias = Literal["en", "zh", "ja"]
Listening: TypeAlias = Literal["always", "name"]
Connecting: TypeAlias = Literal["this-machine", "network"]


@attrs.frozen
class GivenAnswers:
    """Answers that are given beforehand: those questions are not asked."""

    language: LanguageCode | None = None
    """Language of the questions, of the comments in the files, and of the character's persona and voice."""
    name: str | None = None
    """What the character is called."""
    model: str | None = None
    """Which language model answers: `companion` (built in, needs nothing), `ollama`, `lmstudio`, `llamacpp`
    or `server` (whatever speaks OpenAI's interface on port 8000) for the first model that it has, one of its
    models as `ollama:qwen2.5:latest`, or a service as `openai:MODEL`, `claude:MODEL`, `deepseek:MODEL`,
    `gemini:MODEL`, `groq:MODEL`, `mistral:MODEL`, `zhipu:MODEL`. The key of a service is taken from its
    environment variable, such as OPENAI_API_KEY."""
    voice: str | None = None
    """Which voice speaks: `espeak` (built in), `edge`, `kokoro`, `server`, `wyoming`, `xtts`, `openai` or
    `none`; with one of its voices as `kokoro:af_sky`."""
    microphone: str | None = None
    """What understands speech: `embedded` (English), `faster-whisper`, `server`, `wyoming`, `openai`, `groq`;
    with one of its models as `server:whisper-1`."""
    listen: Listening | None = None
    """Whether it answers all that it hears while the microphone is on, or only after its name."""
    connect: Connecting | None = None
    """Who may connect: this machine alone, or the network, with an access_token that is made for it."""


@attrs.frozen
class SetupRun:
    """How `init` does its work."""

    yes: Annotated[bool, Parameter(negative="")] = False
    """Take the suggestion for every question that no option answers, and ask nothing."""
    force: Annotated[bool, Parameter(negative="")] = False
    """Write although there are such files. They are kept, as conf.yaml.old."""
    start: bool = True
    """Start the server at the end; --no-start only writes and checks."""
    port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=65_535))] = None
    """Port of the server. By default 12393, or the next one that is free."""
    look_on: str = "127.0.0.1"
    """Name or address of the machine on which models and voices run."""
