"""The command `download`: the model of an engine, in its place whole, or not at all."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import attrs
import trio

from ..engines.asr.sherpa_onnx_models import DownloadableModel, ModelArchive
from ..engines.loading import DownloadStep, download_listener
from ..errors import ConfigError, DownloadFailed
from .loading import loading_bar

PATIENCE = 30.0
"""Seconds that the server may take to connect, and from one piece to the next."""

TRIES = 4
"""How often a connection that broke is made again, each from where the last one ended."""

WAIT = 1.0
"""Seconds before the first of these; each later one waits twice as long."""

PIECE = 2**18

MOST_UNPACKED = 2 * 10**9
"""Bytes that are read of an archive, with all that is not needed of it."""

# What of an archive is taken besides, where it is there; small texts.
_TEXTS = ("LICENSE", "README.md")
_LONGEST_TEXT = 2**20


async def download(model: DownloadableModel, home: Path, *, url: str | None = None) -> Path:
    """Get ``model`` for the configuration in the folder ``home``; the folder that it is in now.

    ``url`` is another place of the same archive. One that is there already is not asked for. Only a file of
    the right size and checksum is unpacked, and of it only the files that are needed. Raises
    `DownloadFailed`, with what to do. That, and a cancel, leave nothing behind.
    """
    target = model.folder(home)
    if await trio.to_thread.run_sync(model.is_in, home):
        return target
    if await trio.Path(target).exists():
        raise ConfigError(f"{target} is there, but has not all files of {model.name}: move it away")
    archive = attrs.evolve(model.archive, url=url) if url else model.archive
    try:
        await trio.to_thread.run_sync(_make_room, target.parent, archive)
        # Beside the target, so that one rename puts it there whole.
        with tempfile.TemporaryDirectory(prefix=f".{model.name}-", dir=target.parent) as work:
            file = Path(work, "archive")
            with loading_bar(model.name):
                await _fetch(archive, file, model.name)
                await trio.to_thread.run_sync(partial(_unpack, file, Path(work, "model"), model))
            await trio.to_thread.run_sync(os.rename, Path(work, "model"), target)
    except OSError as error:
        raise DownloadFailed(f"{target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # it goes only where it is empty: then it was made for this
            os.rmdir(target.parent)
    return target


def _make_room(folder: Path, archive: ModelArchive) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = archive.size + archive.unpacked, shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadFailed(
            f"{folder}: {needed // 10**6} MB are needed, and {free // 10**6} MB are free on that disk"
        )


# Getting it.


async def _fetch(archive: ModelArchive, file: Path, name: str) -> None:
    """Write ``archive`` to ``file``; a connection that breaks is made again."""
    import httpx2

    digest, done, wait = hashlib.sha256(), 0, WAIT
    timeout = httpx2.Timeout(PATIENCE)
    # It reads HTTPS_PROXY and the like from the environment. GitHub redirects to where its files are.
    async with (
        httpx2.AsyncClient(follow_redirects=True, timeout=timeout) as http,
        await trio.open_file(file, "wb") as out,
    ):
        for attempt in range(TRIES + 1):
            try:
                async with http.stream("GET", archive.url, headers=_rest(done)) as response:
                    _check(response.status_code, response.headers, archive, done)
                    # As they come: of pieces of a certain size the last would be lost where it breaks.
                    async for piece in response.aiter_raw():
                        done += len(piece)
                        if done > archive.size:
                            raise _wrong(archive, f"it is longer than {archive.size} bytes")
                        digest.update(piece)
                        await out.write(piece)
                        _tell(name, done, archive.size)
                if done == archive.size:
                    break
                problem = f"the connection ended after {done} of {archive.size} bytes"
            except httpx2.HTTPError as error:
                problem = f"{type(error).__name__} {error}".strip()
            except httpx2.InvalidURL as error:
                raise DownloadFailed(f"{archive.url}: {error}") from None
            if attempt == TRIES:
                raise DownloadFailed(
                    f"{archive.url}: {problem}; try again later, or another place with --url"
                )
            await trio.sleep(wait)
            wait *= 2
    if digest.hexdigest() != archive.sha256:
        raise _wrong(archive, f"its checksum is {digest.hexdigest()}, and not {archive.sha256}")


def _rest(done: int) -> dict[str, str]:
    # Compressed once more by a proxy, bytes could not be counted.
    return {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})


def _check(status: int, headers: Mapping[str, str], archive: ModelArchive, done: int) -> None:
    if status != (206 if done else 200):
        if done and status == 200:
            raise DownloadFailed(f"{archive.url}: the connection broke, and the server begins only anew")
        raise DownloadFailed(
            f"{archive.url}: the server answers {status}; another place may be named by --url"
        )
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) != archive.size - done:
        raise _wrong(archive, f"the server has {int(length) + done} bytes, and not {archive.size}")


def _wrong(archive: ModelArchive, why: str) -> DownloadFailed:
    return DownloadFailed(f"{archive.url}: this is not the file that was meant: {why}")


def _tell(name: str, done: int, total: int) -> None:
    listener = download_listener.get()
    if listener is not None:
        listener(DownloadStep(name, done, total))


# Unpacking it, in a thread.


def _unpack(file: Path, folder: Path, model: DownloadableModel) -> None:
    """The files of ``model`` from the archive ``file``, into the new ``folder``.

    Names in the archive are looked at, and never used as paths; links, devices and all else are left where
    they are.
    """
    folder.mkdir()
    wanted, left = set(model.files.values()), model.archive.unpacked
    try:
        with _opened(file) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                name = member.name.removeprefix("./").partition("/")[2]
                if not member.isreg() or (name not in wanted and name not in _TEXTS):
                    continue
                limit = left if name in wanted else min(left, _LONGEST_TEXT)
                if member.size > limit:
                    raise DownloadFailed(f"{model.name}: {name} in its archive is too long")
                left -= member.size
                source = tar.extractfile(member)
                assert source is not None
                with (folder / name).open("wb") as out:
                    _copy(source, out)
                wanted.discard(name)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DownloadFailed(f"{model.name}: its archive is broken: {error}") from error
    if wanted:
        raise DownloadFailed(f"{model.name}: its archive has no {', '.join(sorted(wanted))}")


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """``file`` without its compression, to be read once, from begin to end."""
    with file.open("rb") as packed:
        head = packed.read(2)
        packed.seek(0)
        if head == b"BZ":
            plain: Any = bz2.BZ2File(packed)
        elif head == b"\x1f\x8b":
            plain = gzip.GzipFile(fileobj=packed)
        else:
            plain = packed
        yield cast(IO[bytes], _Bounded(plain))


@attrs.define
class _Bounded:
    """Reads at most `MOST_UNPACKED`. A cancel is felt at each read: bzip2 takes half a minute."""

    _file: IO[bytes]
    _read: int = 0

    def read(self, size: int = -1) -> bytes:
        trio.from_thread.check_cancelled()
        piece = self._file.read(size)
        self._read += len(piece)
        if self._read > MOST_UNPACKED:
            raise DownloadFailed(f"the archive has more than {MOST_UNPACKED // 10**6} MB in it")
        return piece


def _copy(source: IO[bytes], out: IO[bytes]) -> None:
    while piece := source.read(PIECE):
        out.write(piece)
