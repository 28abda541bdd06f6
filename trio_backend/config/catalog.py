"""`CharacterCatalog`: the characters that a client may choose from, on disk or in memory."""

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
from .diagnostics import FindingLog, Findings
from .engine_sections import EngineSettings, OwnEngines
from .folder import Config, ConfigFolder

T = TypeVar("T")


@attrs.frozen
class CharacterFile:
    """One choice: the name of its file, by which a client asks for it, and the name to show."""

    filename: str
    name: str


class CharacterCatalog(Protocol):
    """The characters that there are. Its methods may be called at the same time."""

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

    async def engine_settings(self, filename: str) -> EngineSettings:
        """What that character has for each engine, as it is now, whether it uses it or not.

        Raises `ConfigError` where `load` does, but for what is wrong with the character itself.
        """
        ...


@attrs.frozen
class MemoryCatalog:
    """Characters that were made by a program: for tests, and for programs that embed a backend.

    ``others`` are by file name, which need not be that of any file.
    """

    base: CharacterConfig
    others: Mapping[str, CharacterConfig] = attrs.field(factory=dict)

    async def files(self) -> Sequence[CharacterFile]:
        """See `CharacterCatalog.files`."""
        await trio.lowlevel.checkpoint()
        others = sorted(self.others.items())
        return [
            CharacterFile(name, character.conf_name)
            for name, character in [(self.base.file, self.base), *others]
        ]

    async def load(self, filename: str) -> CharacterConfig:
        """See `CharacterCatalog.load`."""
        await trio.lowlevel.checkpoint()
        if filename == self.base.file:
            return self.base
        if filename not in self.others:
            raise ConfigError(f"{filename!r}: there is no such character file")
        return self.others[filename]

    async def engine_settings(self, filename: str) -> EngineSettings:
        """See `CharacterCatalog.engine_settings`."""
        return OwnEngines(await self.load(filename))


# Seconds. To read and understand a file takes milliseconds; a network disk that is gone takes minutes.
FILE_TIMEOUT = 2.0
# Seconds for all files of a list together, since each may take `FILE_TIMEOUT`.
LIST_TIMEOUT = 5.0
# Threads: each file on a disk that does not answer may hold one until the process ends.
MAX_STUCK = 8


@attrs.define(eq=False)
class _ThreadCall:
    """One call in a thread. ``over`` is set when the thread ends, even if nobody waits for it any more."""

    over: bool = attrs.field(default=False, init=False)

    def run(self, read: Callable[[ConfigFolder], T], folder: ConfigFolder) -> T:
        try:
            return read(folder)
        finally:
            self.over = True


@attrs.define(eq=False)
class DiskCatalog:
    """The characters beside ``conf.yaml``. An edit on disk is seen by the next call.

    Files are read in a thread, one call at a time. A cancelled call ends when its thread does, `FILE_TIMEOUT`
    seconds later at most. A file that takes longer, on a disk that does not answer, is a `ConfigError`; its
    thread is abandoned, and until it ends, asking for that file again is an error at once. Warnings about
    a file go to the ``log``.
    """

    base: CharacterConfig
    _path: Path
    _environ: Mapping[str, str] = attrs.field(repr=False)
    _log: FindingLog = attrs.field(factory=FindingLog)
    # Not safe for two threads: an abandoned one keeps the folder that it has, and a new one is made.
    _folder: ConfigFolder = attrs.field(init=False)
    _lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _threads: trio.CapacityLimiter = attrs.field(init=False)
    _stuck: dict[str, _ThreadCall] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._folder = ConfigFolder(self._path, self._environ)
        self._threads = trio.CapacityLimiter(MAX_STUCK + 1)

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str], log: FindingLog | None = None) -> DiskCatalog:
        """The characters beside ``config.path``; without a ``log``, its ``warnings`` are told elsewhere."""
        return cls(config.character, config.path, environ, log or FindingLog(set(config.warnings)))

    async def files(self) -> Sequence[CharacterFile]:
        """See `CharacterCatalog.files`. Files that are not read within `LIST_TIMEOUT` are listed by name."""
        listed = [CharacterFile(self.base.file, self.base.conf_name)]
        # Every page asks when it is opened. Where no file has changed this is the only call of a thread, each
        # of which costs 0.1 ms: 0.15 ms for the three characters that are shipped, 0.75 when each was asked.
        try:
            listing = await self._read("the list of characters", ConfigFolder.listing)
        except ConfigError as error:
            logger.warning("{}", error)
            return listed
        if listing is None:
            return listed
        until = trio.current_time() + LIST_TIMEOUT
        # File by file, so that another client's switch need not wait for the whole list.
        for name, known in listing.titles.items():
            title = known or name
            if known is None and trio.current_time() < until:
                with suppress(ConfigError):
                    title = await self._read(
                        name, partial(ConfigFolder.title, folder=listing.folder, filename=name)
                    )
            listed.append(CharacterFile(name, title))
        return listed

    async def load(self, filename: str) -> CharacterConfig:
        """See `CharacterCatalog.load`."""
        findings = Findings()
        character = await self._read(
            filename, partial(ConfigFolder.character, filename=filename, findings=findings)
        )
        for warning in findings.warnings:
            self._log.tell(warning)
        if character is None or findings.errors:
            raise ConfigError("\n".join(str(finding) for finding in findings.errors))
        return character

    async def engine_settings(self, filename: str) -> EngineSettings:
        """See `CharacterCatalog.engine_settings`."""
        findings = Findings()
        read = partial(ConfigFolder.engine_sections, filename=filename, findings=findings)
        sections = await self._read(filename, read)
        if sections is None:
            raise ConfigError("\n".join(str(finding) for finding in findings.errors))
        return sections

    async def _read(self, name: str, read: Callable[[ConfigFolder], T]) -> T:
        """What ``read`` gives. Raises `ConfigError` if it takes too long."""
        async with self._lock:
            self._stuck = {each: job for each, job in self._stuck.items() if not job.over}
            if name in self._stuck or len(self._stuck) >= MAX_STUCK:
                raise ConfigError(f"{name[:80]}: the disk does not answer; it is still being read")
            job = _ThreadCall()
            # Shielded: the next call must not get the folder while this thread still uses it.
            with trio.move_on_after(FILE_TIMEOUT, shield=True):
                return await trio.to_thread.run_sync(
                    job.run, read, self._folder, abandon_on_cancel=True, limiter=self._threads
                )
            self._stuck[name] = job
            self._folder = ConfigFolder(self._path, self._environ)
        raise ConfigError(
            f"{name[:80]}: could not be read within {FILE_TIMEOUT:g} s; the disk does not answer"
        )
