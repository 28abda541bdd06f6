"""`GradioSpeech`: what is configured of speech synthesis behind a Gradio server.

Apart from the engine, `gradio_tts`, so that a configuration can be checked without the HTTP library.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs

from .openai.configs import Endpoint
from .settings import Environment

Value: TypeAlias = str | float | bool
"""What a parameter of an endpoint may be set to."""

MODEL_TIMEOUT = 120.0
"""Seconds for the sound of a sentence, by default: twice that of services, since these models run on the
user's own hardware, one sentence after the other."""


@attrs.frozen
class Recording:
    """A recording whose voice is imitated, for the parameter ``parameter``: a URL, which the server fetches,
    or the absolute path of a file on this machine, which is uploaded. Empty: there is none."""

    parameter: str
    place: str

    @property
    def is_file(self) -> bool:
        """Whether it is on this machine."""
        return bool(self.place) and not _is_url(self.place)


@attrs.frozen(kw_only=True)
class GradioSpeech:
    """An endpoint of a Gradio server that turns a text into a sound file.

    ``api_name`` is the endpoint's, without a slash; ``text`` the parameter that the text is for; ``values``
    are its other parameters, by their names. Timeouts are in seconds: to connect, and to wait in all for the
    sound of a sentence, which may be ``max_sound`` seconds long.
    """

    endpoint: Endpoint
    api_name: str
    text: str
    values: tuple[tuple[str, Value], ...] = attrs.field(repr=False)
    recordings: tuple[Recording, ...] = attrs.field(repr=False)
    connect_timeout: float
    timeout: float
    max_sound: float

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name


def recordings(environment: Environment, places: Iterable[tuple[str, str]]) -> tuple[Recording, ...]:
    """A recording for each parameter, by its setting; relative paths start where `Environment` says."""
    return tuple(
        Recording(parameter, place if not place or _is_url(place) else _path(environment, place))
        for parameter, place in ((parameter, given.strip()) for parameter, given in places)
    )


def _is_url(place: str) -> bool:
    return urlsplit(place).scheme in {"http", "https"}


def _path(environment: Environment, place: str) -> str:
    return str(environment.folder.absolute() / Path(place).expanduser())
