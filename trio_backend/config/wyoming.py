"""``system_config.wyoming``: what is served to Home Assistant, and who serves it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import attrs

from .bounds import Within, bound, option
from .character import CharacterConfig, EngineChoice

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


def _check_languages(_instance: object, _attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for language in value:
        if not _LANGUAGE.fullmatch(language):
            raise ValueError(f"{language!r} must be a language such as en or de-DE")


@attrs.frozen
class WyomingSettings:
    """The section as it is in the file. Without a ``port`` nothing is served.

    ``host`` is by default that of the server; but where clients of that need a token, it is this machine:
    Wyoming has no way to send one.
    """

    port: int | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(Within(0, 65_535, "")),
        metadata={"help": "port for Home Assistant, by custom 10700; 0 lets the system choose"},
    )
    host: str = option("", "address to listen on; empty: that of the server")
    asr: str = option("", "speech recognition by its name in asr_config; empty: the base character's")
    tts: str = option("", "speech synthesis by its name in tts_config; empty: the base character's")
    handle: bool = option(True, "whether the base character answers as a conversation agent")
    languages: tuple[str, ...] = option(
        (), "languages that are offered; empty: the common ones", validator=_check_languages
    )
    max_connections: int = bound(
        64,
        Within(1, 10_000, "connections"),
        "Wyoming clients at once; one address may have half, this machine nine tenths",
        when_full="`error` busy, and close",
    )
    idle_timeout: float = bound(
        60,
        Within(0.1, 86_400, "s"),
        "silence of a Wyoming client that nothing is done for",
        when_full="close",
    )
    max_conversations: int = bound(
        100,
        Within(1, 10_000, "conversations"),
        "conversations with Wyoming clients that are remembered",
        when_full="forget the one that rests longest, of the address with most; if none rests, `not-handled`",
    )
    conversation_timeout: float = bound(
        600,
        Within(1, 86_400, "s"),
        "how long such a conversation is remembered after its last turn",
        when_full="forget it; it stays in the history",
    )


@attrs.frozen
class WyomingEngines:
    """What speaks and understands there."""

    tts: EngineChoice
    asr: EngineChoice | None

    @classmethod
    def of(cls, character: CharacterConfig) -> WyomingEngines:
        """The character's own."""
        return cls(character.tts, character.asr)


def listens_at(settings: WyomingSettings, server: str, *, restricted: bool) -> str:
    """The host at which Wyoming is served, by a server at ``server``.

    ``restricted``: the server's clients have to say who they are.
    """
    return settings.host or ("127.0.0.1" if restricted else server)


def is_this_machine(host: str) -> bool:
    """Whether nobody else reaches ``host``."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
