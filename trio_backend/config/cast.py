"""`Cast`: the characters that a client may choose from; on disk, or in memory for tests and embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import trio
from loguru import logger

from ..errors import ConfigError
from .character import CharacterConfig
from .finding import Finding, Findings
from .library import Library
from .schema import Config


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


# Enough for every warning of a large cast; said again beyond that.
MAX_SAID = 1_000


@attrs.define(eq=False)
class DiskCast:
    """The cast beside ``conf.yaml``, read anew each time, so that edits are seen at the next switch.

    Reading is done in a thread, one call at a time; a cancelled call is left once its thread is done.
    Each warning about a file is logged once.
    """

    base: CharacterConfig
    _library: Library
    # The library belongs to one thread at a time.
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    _said: set[Finding] = attrs.field(factory=set, init=False)

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str], said: Sequence[Finding] = ()) -> DiskCast:
        """The cast of ``config``. ``said`` are the warnings that need no repetition."""
        cast = cls(config.character, Library(config.path, environ))
        cast._said.update(said)
        return cast

    async def files(self) -> Sequence[CharacterFile]:
        """See `Cast.files`."""
        titles = await trio.to_thread.run_sync(self._library.titles, limiter=self._limiter)
        first = CharacterFile(self.base.file, self.base.conf_name)
        return [first, *(CharacterFile(filename, title) for filename, title in titles)]

    async def load(self, filename: str) -> CharacterConfig:
        """See `Cast.load`."""
        findings = Findings()
        character = await trio.to_thread.run_sync(
            self._library.character, filename, findings, limiter=self._limiter
        )
        self._warn(findings)
        if character is None or findings.errors:
            raise ConfigError("\n".join(str(finding) for finding in findings.errors))
        return character

    def _warn(self, findings: Findings) -> None:
        if len(self._said) > MAX_SAID:
            self._said.clear()
        for finding in findings.warnings:
            if finding not in self._said:
                self._said.add(finding)
                logger.warning("{}", finding)
