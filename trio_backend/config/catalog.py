"""`Cast`: the characters that a client may choose from; on disk, or in memory for tests and embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import attrs
import trio
from loguru import logger

from ..errors import ConfigError
from .character import CharacterConfig
from .diagnostics import Finding, Findings
from .load import Config, Library

T = TypeVar("T")


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

# Seconds for a file to be read and understood, which takes milliseconds; and for all that are listed.
FILE_PATIENCE = 2.0
LIST_PATIENCE = 5.0
# Threads that a dead disk may keep.
MAX_STUCK = 8


@attrs.define(eq=False)
class _Job:
    """What one thread reads; ``over`` once it has ended."""

    over: bool = attrs.field(default=False, init=False)

    def run(self, read: Callable[[Library], T], library: Library) -> T:
        try:
            return read(library)
        finally:
            self.over = True


@attrs.define(eq=False)
class DiskCast:
    """The cast beside ``conf.yaml``, read anew each time, so that edits are seen at the next switch.

    Reading is done in a thread, one call at a time; a cancelled call is left once its thread is done. A file
    that is not read within `FILE_PATIENCE` seconds, on a disk that does not answer, is an error, and its
    thread is left behind; until it has ended, nobody else waits for that file. Each warning about a file is
    logged once.
    """

    base: CharacterConfig
    _path: Path
    _environ: Mapping[str, str] = attrs.field(repr=False)
    # The library belongs to one thread at a time; one that is stuck keeps it.
    _library: Library = attrs.field(init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _threads: trio.CapacityLimiter = attrs.field(init=False)
    _stuck: dict[str, _Job] = attrs.field(factory=dict, init=False)
    _said: set[Finding] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._library = Library(self._path, self._environ)
        self._threads = trio.CapacityLimiter(MAX_STUCK + 1)

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str], said: Sequence[Finding] = ()) -> DiskCast:
        """The cast of ``config``. ``said`` are the warnings that need no repetition."""
        cast = cls(config.character, config.path, environ)
        cast._said.update(said)
        return cast

    async def files(self) -> Sequence[CharacterFile]:
        """See `Cast.files`. Within a few seconds; what could not be read by then is listed by its name."""
        listed = [CharacterFile(self.base.file, self.base.conf_name)]
        try:
            folders = await self._read(self.base.file, Library.folder)
            if folders is None:
                return listed
            names = await self._read(folders.characters.name, partial(Library.filenames, folders=folders))
        except ConfigError as error:
            logger.warning("{}", error)
            return listed
        until = trio.current_time() + LIST_PATIENCE
        for name in names:
            title = name
            if trio.current_time() < until:
                with suppress(ConfigError):
                    title = await self._read(name, partial(Library.title, folders=folders, filename=name))
            listed.append(CharacterFile(name, title))
        return listed

    async def load(self, filename: str) -> CharacterConfig:
        """See `Cast.load`."""
        findings = Findings()
        character = await self._read(
            filename, partial(Library.character, filename=filename, findings=findings)
        )
        self._warn(findings)
        if character is None or findings.errors:
            raise ConfigError("\n".join(str(finding) for finding in findings.errors))
        return character

    async def _read(self, name: str, read: Callable[[Library], T]) -> T:
        """What ``read`` gives. Raises `ConfigError` if it takes too long."""
        async with self._turn:
            self._stuck = {each: job for each, job in self._stuck.items() if not job.over}
            if name in self._stuck or len(self._stuck) >= MAX_STUCK:
                raise ConfigError(f"{name[:80]}: the disk does not answer; it is still being read")
            job = _Job()
            # Within a cancel, too: the library is the thread's until it has ended, or is given up.
            with trio.move_on_after(FILE_PATIENCE, shield=True):
                return await trio.to_thread.run_sync(
                    job.run, read, self._library, abandon_on_cancel=True, limiter=self._threads
                )
            self._stuck[name] = job
            self._library = Library(self._path, self._environ)
        raise ConfigError(
            f"{name[:80]}: could not be read within {FILE_PATIENCE:g} s; the disk does not answer"
        )

    def _warn(self, findings: Findings) -> None:
        if len(self._said) > MAX_SAID:
            self._said.clear()
        for finding in findings.warnings:
            if finding not in self._said:
                self._said.add(finding)
                logger.warning("{}", finding)
