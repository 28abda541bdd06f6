"""`Answers`: what was answered to the five questions; and which names a character and its file may have."""

from __future__ import annotations

import re
import unicodedata
from base64 import b32encode
from collections.abc import Mapping

import attrs

from ..identity import new_id
from ..text.phrases import plain, words
from .catalogue import EngineOption
from .flags import Connecting, LanguageCode, Listening

LONGEST_NAME = 80
"""Characters. It stands beside each sentence on the page, and in the list of characters."""

_LONGEST_FILE_NAME = 60
"""Bytes, of the 255 that file systems take: others copy the file under longer names."""

# Joiners inside emoji and Indian scripts; other marks of this kind cannot be seen.
_JOINERS = "\u200c\u200d"
# Device names of Windows, with whatever suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conf)", re.IGNORECASE)


@attrs.frozen
class Answers:
    """The answers. ``keys`` are by the variable of the environment that could hold them instead."""

    language: LanguageCode
    name: str
    model: EngineOption
    voice: EngineOption
    microphone: EngineOption
    listen: Listening
    connect: Connecting
    port: int
    access_token: str = attrs.field(default="", repr=False)
    keys: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)

    @property
    def character_file(self) -> str:
        """The name of the character's file."""
        return f"{file_stem(self.name)}.yaml"

    @property
    def host(self) -> str:
        """The address to listen on."""
        return "0.0.0.0" if self.connect == "network" else "127.0.0.1"

    @property
    def options(self) -> tuple[EngineOption, EngineOption, EngineOption]:
        """The engines that are chosen."""
        return self.model, self.voice, self.microphone

    @property
    def holds_secrets(self) -> bool:
        """Whether ``conf.yaml`` has something in it that only its owner may read."""
        return bool(self.access_token or self.keys)


def cleaned_name(given: str) -> str | None:
    """``given`` as a character may be called; None where it cannot: empty, too long, or not to be shown."""
    name = unicodedata.normalize("NFC", given).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        return None
    for character in name:
        kind = unicodedata.category(character)
        # What YAML cannot hold (noncharacters, surrogates) is among them.
        if kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and character not in _JOINERS):
            return None
        if ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
            return None
    return None if all(unicodedata.category(one)[0] in "ZMC" for one in name) else name


def file_stem(name: str) -> str:
    """The name of a file for the character ``name``, without its suffix; the same for the same name.

    Letters and digits of any script, and hyphens: a file name on every system, and never a path.
    """
    plain_name = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).lower())
    stem = re.sub(r"[\W_]+", "-", plain_name).strip("-")
    while len(stem.encode()) > _LONGEST_FILE_NAME:
        stem = stem[:-1].rstrip("-")
    if not stem or _RESERVED.fullmatch(stem):
        stem = f"character-{stem}".rstrip("-")
    return stem


def can_be_called(name: str) -> bool:
    """Whether the name has something in it that can be said, and so can be a wake word."""
    return bool(words(plain(name)))


def new_access_token() -> str:
    """A token of 122 random bits, in letters and digits that are not taken for each other."""
    return b32encode(new_id().bytes).decode().rstrip("=").lower()
