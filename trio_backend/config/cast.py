"""`Cast`: the characters that a client may choose from; on disk, or in memory for tests and embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import trio

from ..errors import ConfigError
from .character import CharacterConfig


@attrs.frozen
class CharacterFile:
    """One choice: the name of its file, by which a client asks for it, and the name to show."""

    filename: str
    name: str


class Cast(Protocol):
    """The characters that there are."""

    @property
    def base(self) -> CharacterConfig:
        """The character of ``conf.yaml``, as it was at start."""
        ...

    async def files(self) -> Sequence[CharacterFile]:
        """All choices, the base first, then by file name.

        A file that cannot be read is listed by its file name: choosing it says what is wrong with it.
        """
        ...

    async def load(self, filename: str) -> CharacterConfig:
        """The character of that file, as it is now.

        Raises `ConfigError` where the name is not one of a file in the directory, or the file is
        wrong; the text names file, line and key.
        """
        ...


@attrs.frozen
class MemoryCast:
    """A cast that was given whole."""

    base: CharacterConfig
    others: Mapping[str, CharacterConfig] = attrs.field(factory=dict)

    async def files(self) -> Sequence[CharacterFile]:
        """See `Cast.files`."""
        await trio.lowlevel.checkpoint()
        others = sorted(self.others.items())
        return [
            CharacterFile(name, character.conf_name)
            for name, character in [(self.base.file, self.base), *others]
        ]

    async def load(self, filename: str) -> CharacterConfig:
        """See `Cast.load`."""
        await trio.lowlevel.checkpoint()
        if filename == self.base.file:
            return self.base
        if filename not in self.others:
            raise ConfigError(f"{filename!r}: there is no such character file")
        return self.others[filename]
