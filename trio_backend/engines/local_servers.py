"""Model servers that already run on this machine, for a hint to a user who has not configured one.

Any program of any local user may listen on that port, so its answer may be anything: bounded in time and
size, and only what is plainly the name of a model is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
import trio
from loguru import logger

from ..errors import AnswerTooLong, HttpFailed
from .http import open_http_client
from .http_target import HttpTarget
from .registry import DEFAULTS

OLLAMA = "http://127.0.0.1:11434"

LONGEST_ANSWER = 2**20
"""Bytes. A model takes about 400 of them, so this is more than any machine has."""

MOST_NAMES = 20
"""More would only fill the line of the log."""

# `namespace/model:tag`, on a host of their own sometimes. No blank and no control character: the names go
# to a log that people and programs read line by line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")


class _Model(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Model]


async def find_ollama(url: str = OLLAMA, *, within: float = 2.0) -> Sequence[str] | None:
    """The names of the models that an Ollama server at ``url`` has; None where none answers in time.

    At most `MOST_NAMES`, printable and of at most 100 characters each; others are left out. Whatever
    answers there, this raises nothing, and ends after ``within`` seconds.
    """
    try:
        with trio.fail_after(within):
            return await _ask(url) if await _somebody_listens(url) else None
    except* (HttpFailed, trio.TooSlowError, AnswerTooLong):
        pass
    return None


async def _somebody_listens(url: str) -> bool:
    # Mostly nobody does, and then a client need not be built: that takes 0.2 s of a start.
    address = urlsplit(url)
    try:
        stream = await trio.open_tcp_stream(address.hostname or "", address.port or 80)
    except OSError:
        return False
    await trio.aclose_forcefully(stream)
    return True


async def _ask(url: str) -> Sequence[str] | None:
    address = HttpTarget(url, {"Accept-Encoding": "identity"}, use_proxy=False)
    # The caller sets the deadline.
    async with open_http_client(address, connect_timeout=60) as client:
        answer = await client.request("GET", "api/tags", {})
        return _names(await answer.read(most=LONGEST_ANSWER))


def _names(body: bytes) -> Sequence[str] | None:
    try:
        models = msgspec.json.decode(body, type=_Tags).models
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return [model.name for model in models if _NAME.fullmatch(model.name)][:MOST_NAMES]


async def suggest_local_model(llm: str, file: str) -> None:
    """Log how to use a language model that runs on this machine, if ``llm`` is only the embedded one.

    ``file`` is the configuration to change.
    """
    if llm != DEFAULTS["llm"]:
        return
    models = await find_ollama()
    if models is not None:
        logger.info(
            "an Ollama server answers on this machine (models: {}): to use it, set llm_provider: ollama_llm "
            "and llm_configs.ollama_llm.model in {}",
            ", ".join(models) or "none; run 'ollama pull NAME'",
            file,
        )
