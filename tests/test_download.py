"""`trio-backend download`: from a real HTTP server, a model is in its place whole, or nothing is."""

from __future__ import annotations

import bz2
import errno
import hashlib
import io
import random
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest
import trio

from tests.engines.speech_sounds import noise, opened
from trio_backend.config.engine_sections import EngineSections
from trio_backend.config.load import find_config, load_config
from trio_backend.engine_commands import downloading
from trio_backend.engine_commands.downloaded import chosen_model, list_of_models, what_to_do
from trio_backend.engine_commands.downloading import TRIES, download
from trio_backend.engines.asr import sherpa_onnx_models
from trio_backend.engines.asr.sherpa_onnx import MODEL_TYPES
from trio_backend.engines.asr.sherpa_onnx_models import MODELS, DownloadableModel, ModelArchive
from trio_backend.engines.loading import DownloadStep, download_listener
from trio_backend.engines.registry import configure, missing
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import ConfigError, DownloadFailed, SettingsError

FILES = {"sense_voice": "model.onnx", "tokens": "tokens.txt"}
WEIGHTS = random.Random(3).randbytes(140_000)
CONTENT = {"model.onnx": WEIGHTS, "tokens.txt": b"<blk> 0\n", "LICENSE": b"as you like"}


def packed(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar file with these members, by bzip2."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        for member, content in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """One member of a tar file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


GOOD = packed([(member(f"root/{name}"), content) for name, content in CONTENT.items()])


@attrs.define(eq=False)
class Shelf:
    """A server with one file. ``status`` is its answer, of which it sends at most ``cut`` bytes at once."""

    content: bytes
    status: str = "200 OK"
    cut: int = 10**9
    ranges: bool = True
    stalls: bool = False
    asked: list[str] = attrs.field(factory=list)
    """The ranges that were asked for; empty text where all was."""

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one request, and close."""
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some()
            (rest,) = [
                line.partition(": ")[2]
                for line in head.decode().split("\r\n")
                if line.lower().startswith("range:")
            ] or [""]
            self.asked.append(rest)
            begin = int(rest.removeprefix("bytes=").rstrip("-")) if rest and self.ranges else 0
            status = "206 Partial Content" if begin else self.status
            body = self.content[begin:]
            await stream.send_all(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            )
            with suppress(trio.BrokenResourceError):  # who does not want it, closes
                await stream.send_all(body[: self.cut])
            if self.stalls:
                await trio.sleep_forever()


@asynccontextmanager
async def serving(shelf: Shelf) -> AsyncIterator[str]:
    """The address of its file."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, shelf.serve, [listener]))
        port = listener.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}/model.tar.bz2"
        nursery.cancel_scope.cancel("the test is over")


def model(content: bytes, url: str, *, unpacked: int = 10**6) -> DownloadableModel:
    """The model whose archive is ``content``."""
    archive = ModelArchive(url, len(content), hashlib.sha256(content).hexdigest(), unpacked)
    return DownloadableModel("small", "sense_voice", ("en",), "for tests", "CC0", archive, FILES)


def everything(folder: Path) -> list[str]:
    """All that there is in ``folder``."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for before a connection is made again; no proxy of this machine is asked."""
    monkeypatch.setattr(downloading, "WAIT", 0.001)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


async def test_a_model_is_in_its_place_with_its_licence(tmp_path: Path) -> None:
    """Only what is needed of its archive. A second time nothing is asked for. It is told how far it is."""
    steps: list[DownloadStep] = []
    download_listener.set(steps.append)
    async with serving(shelf := Shelf(GOOD)) as url:
        folder = await download(model(GOOD, url), tmp_path)
        assert folder == tmp_path / "models" / "small"
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
        assert everything(tmp_path / "models") == sorted(["small", *(f"small/{name}" for name in CONTENT)])
        assert steps[-1] == DownloadStep("small", len(GOOD), len(GOOD))
        assert await download(model(GOOD, url), tmp_path) == folder
    assert shelf.asked == [""]


async def test_a_connection_that_breaks_goes_on_where_it_ended(tmp_path: Path) -> None:
    """A few times, and no byte comes twice."""
    third = len(GOOD) // 3
    async with serving(shelf := Shelf(GOOD, cut=third + 1)) as url:
        folder = await download(model(GOOD, url), tmp_path)
    assert (folder / "model.onnx").read_bytes() == CONTENT["model.onnx"]
    assert shelf.asked == ["", f"bytes={third + 1}-", f"bytes={2 * third + 2}-"]


async def test_a_server_that_always_breaks_is_given_up(tmp_path: Path) -> None:
    """After so many tries, with what to do."""
    async with serving(shelf := Shelf(GOOD, cut=5)) as url:
        with pytest.raises(DownloadFailed, match="try again later, or another place with --url"):
            await download(model(GOOD, url), tmp_path)
    assert len(shelf.asked) == TRIES + 1
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("shelf", "words"),
    [
        (Shelf(GOOD, status="404 Not Found"), "the server answers 404"),
        (Shelf(GOOD + b"x"), f"the server has {len(GOOD) + 1} bytes, and not {len(GOOD)}"),
        (Shelf(GOOD[:-1]), f"the server has {len(GOOD) - 1} bytes, and not {len(GOOD)}"),
        (Shelf(GOOD[:-1] + b"x"), "this is not the file that was meant: its checksum is"),
        (Shelf(GOOD, cut=9, ranges=False), "the server begins only anew"),
    ],
    ids=["404", "too long", "too short", "another file", "no ranges"],
)
async def test_what_is_not_the_model_is_refused(tmp_path: Path, shelf: Shelf, words: str) -> None:
    """Before it is unpacked; and nothing of it stays."""
    async with serving(shelf) as url:
        with pytest.raises(DownloadFailed, match=words):
            await download(model(GOOD, url), tmp_path)
    assert everything(tmp_path) == []


NEEDED = [(member(f"root/{name}"), content) for name, content in CONTENT.items()]
ZEROS = bytes(10**6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(NEEDED[:1]), r"has no tokens\.txt"),
        (
            packed([*NEEDED[1:], (member("root/model.onnx", tarfile.SYMTYPE, "/etc/passwd"), b"")]),
            "has no model",
        ),
        (
            packed([*NEEDED[1:], (member("root/model.onnx", tarfile.LNKTYPE, "root/LICENSE"), b"")]),
            "has no model",
        ),
        (packed([*NEEDED[1:], (member("root/model.onnx", tarfile.FIFOTYPE), b"")]), "has no model"),
        (packed([*NEEDED[1:], (member("root/model.onnx"), ZEROS)]), "model.onnx in its archive is too long"),
        (packed([(member("root/other"), ZEROS)] * 4), "more than 3 MB"),
        (GOOD[: len(GOOD) // 2], "its archive is broken"),
        (b"BZ" + GOOD[:50], "its archive is broken"),
        (bz2.compress(b"no tar at all" * 100), "its archive is broken"),
    ],
    ids=["a file less", "symlink", "hard link", "fifo", "bomb", "bomb beside", "cut", "no bzip2", "no tar"],
)
async def test_a_bad_archive_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    """Even one with the right checksum, as of a mistake in our list."""
    monkeypatch.setattr(downloading, "MOST_UNPACKED", 3 * 10**6)
    async with serving(Shelf(content)) as url:
        with pytest.raises(DownloadFailed, match=words):
            await download(model(content, url, unpacked=500_000), tmp_path)
    assert everything(tmp_path) == []


async def test_no_name_in_an_archive_is_used_as_a_path(tmp_path: Path) -> None:
    """Neither one that climbs, nor an absolute one, nor one through a link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    content = packed(
        [
            *NEEDED,
            (member("../outside/a"), b"out"),
            (member(str(outside / "b")), b"out"),
            (member("root/link", tarfile.SYMTYPE, str(outside)), b""),
            (member("root/link/c"), b"out"),
            (member("root/LICENSE/../../../../outside/d"), b"out"),
        ]
    )
    async with serving(Shelf(content)) as url:
        folder = await download(model(content, url), tmp_path / "home")
    assert everything(outside) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(CONTENT)


async def test_a_cancel_leaves_nothing(tmp_path: Path) -> None:
    """As of a Ctrl-C, while it comes."""
    async with serving(Shelf(GOOD, cut=100, stalls=True)) as url, trio.open_nursery() as nursery:
        began = trio.Event()
        download_listener.set(lambda _step: began.set())
        nursery.start_soon(partial(download, model(GOOD, url), tmp_path))
        await began.wait()
        assert len(everything(tmp_path)) == 3
        nursery.cancel_scope.cancel("Ctrl-C")
    assert everything(tmp_path) == []


async def test_a_cancel_is_felt_while_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bzip2 takes half a minute for a model."""
    reached = trio.Event()
    token = trio.lowlevel.current_trio_token()
    large = member("root/not needed")
    large.size = 10**15

    class Endless(io.BytesIO):
        def __init__(self, _file: object) -> None:
            super().__init__(large.tobuf(tarfile.GNU_FORMAT))

        def read(self, size: int | None = -1) -> bytes:
            token.run_sync_soon(reached.set)
            return super().read(size).ljust(size or 0, b"x")

    monkeypatch.setattr("bz2.BZ2File", Endless)
    monkeypatch.setattr(downloading, "MOST_UNPACKED", 10**15)
    async with serving(Shelf(GOOD)) as url, trio.open_nursery() as nursery:
        nursery.start_soon(partial(download, model(GOOD, url), tmp_path))
        await reached.wait()
        nursery.cancel_scope.cancel("Ctrl-C")
    assert everything(tmp_path) == []


async def test_a_disk_without_room_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how much is needed, and how much there is."""
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    async with serving(shelf := Shelf(GOOD)) as url:
        with pytest.raises(DownloadFailed, match="5 MB are needed, and 1 MB are free on that disk"):
            await download(model(GOOD, url, unpacked=5 * 10**6), tmp_path)
    assert shelf.asked == []
    assert everything(tmp_path) == []


async def test_a_disk_that_fills_up_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the model takes up the rest of it."""

    def full(_source: object, _out: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloading, "_copy", full)
    async with serving(Shelf(GOOD)) as url:
        with pytest.raises(DownloadFailed, match=r"models/small: No space left on device"):
            await download(model(GOOD, url), tmp_path)
    assert everything(tmp_path) == []


async def test_a_folder_of_somebody_is_left_alone(tmp_path: Path) -> None:
    """One of that name, without the model in it."""
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "models" / "small" / "mine").touch()
    with pytest.raises(ConfigError, match="has not all files of small: move it away"):
        await download(model(GOOD, "http://127.0.0.1:1/"), tmp_path)
    assert everything(tmp_path) == ["models", "models/small", "models/small/mine"]


async def test_a_server_that_falls_silent_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again, and given up in the end."""
    monkeypatch.setattr(downloading, "PATIENCE", 0.05)
    async with serving(shelf := Shelf(GOOD, cut=0, stalls=True)) as url:
        with pytest.raises(DownloadFailed, match="ReadTimeout"):
            await download(model(GOOD, url), tmp_path)
    assert len(shelf.asked) == TRIES + 1


# How it is used.


def test_the_list_fits_the_engine() -> None:
    """Each names all files of its type, has a full checksum, and comes over TLS."""
    for each in MODELS.values():
        kind = MODEL_TYPES[each.model_type]
        assert set(each.files) == {*kind.files.values(), "tokens"}
        assert each.streams == kind.streams
        assert len(bytes.fromhex(each.archive.sha256)) == 32
        assert each.archive.url.startswith(
            "https://github.com/k2-fsa/sherpa-onnx/releases/download/asr-models/"
        )


def test_the_engine_finds_it_without_a_setting(tmp_path: Path) -> None:
    """The first of the list where no file is named; another one by its name; all else as before."""
    environment = Environment(tmp_path, {})

    def configured(settings: dict[str, object]) -> object:
        return configure("asr", "sherpa_onnx_asr", settings, environment=environment)

    (problem,) = missing(configure("asr", "sherpa_onnx_asr", {}, environment=environment))
    assert problem.endswith("get it by `trio-backend download sense-voice`")
    folder = tmp_path / "models" / "sense-voice"
    folder.mkdir(parents=True)
    for file in MODELS["sense-voice"].files.values():
        (folder / file).touch()
    assert not missing(configure("asr", "sherpa_onnx_asr", {}, environment=environment))
    streaming = configure("asr", "sherpa_onnx_asr", {"model": "zipformer-en"}, environment=environment)
    assert missing(streaming)[0].endswith("`trio-backend download zipformer-en`")
    with pytest.raises(SettingsError, match="model: has its own files: leave out tokens, or the model"):
        configured({"model": "whisper-base", "tokens": "t"})
    with pytest.raises(SettingsError, match="model: must be empty, or one of sense-voice"):
        configured({"model": "no such"})
    with pytest.raises(SettingsError, match="tokens: is missing: sense_voice needs that file"):
        configured({"sense_voice": "m"})


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Of the names that there are, the nearest one."""
    with pytest.raises(
        ConfigError, match=r"no model is called 'sense_voice' \(did you mean 'sense-voice'\?\)"
    ):
        chosen_model("sense_voice")
    text = list_of_models(tmp_path)
    assert all(name in text for name in MODELS)


def test_the_rest_is_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the library is installed, where it is missing, and what to write."""
    monkeypatch.setattr("trio_backend.engines.facts.find_spec", lambda _name: None)
    text = what_to_do(MODELS["whisper-base"], tmp_path)
    assert "pip install" in text
    assert "[sherpa]" in text
    assert "asr_model: sherpa_onnx_asr" in text
    assert "model: whisper-base" in text


@pytest.mark.skipif(
    find_spec("sherpa_onnx") is None or find_spec("onnx") is None,
    reason="the extra sherpa, or onnx, is not installed",
)
async def test_what_was_downloaded_recognises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, with a real archive of the smallest model that it loads, by its name alone."""
    from tests.engines.tiny_sherpa import write_model

    source = tmp_path / "source"
    source.mkdir()
    write_model(source)
    content = packed([(member(f"tiny/{file.name}"), file.read_bytes()) for file in source.iterdir()])
    files = {name: f"{name}.onnx" for name in ("encoder", "decoder", "joiner")} | {"tokens": "tokens.txt"}
    async with serving(Shelf(content)) as url:
        tiny = attrs.evolve(
            model(content, url), name="zipformer-en", model_type="online_transducer", files=files
        )
        monkeypatch.setitem(sherpa_onnx_models.MODELS, tiny.name, tiny)
        await download(tiny, tmp_path)
    async with opened("sherpa_onnx_asr", {"model": "zipformer-en"}, tmp_path)() as asr:
        assert await transcribed(asr, noise(1)) == "hello there friend"


async def test_ctrl_c_of_the_command_leaves_nothing(tmp_path: Path) -> None:
    """The command itself, with a signal amid the download."""
    (tmp_path / "conf.yaml").write_text("system_config: {}\ncharacter_config: {conf_name: a, conf_uid: a}\n")
    size = MODELS["sense-voice"].archive.size
    async with serving(Shelf(bytes(size), cut=10**6, stalls=True)) as url:
        process = await trio.lowlevel.open_process(
            [
                sys.executable,
                "-c",
                "from trio_backend.cli import main; main()",
                *("download", "sense-voice", "--url", url, "--config", str(tmp_path)),
            ],
            stderr=subprocess.PIPE,
        )
        with trio.fail_after(60):
            while not any((tmp_path / "models").glob(".sense-voice-*/archive")):
                await trio.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
        assert process.stderr is not None
        await process.stderr.aclose()
    assert everything(tmp_path) == ["conf.yaml"]


def test_it_is_put_where_serve_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the configuration that is used; where that is the package's, in the working directory."""
    clone = Path(__file__).parents[1]
    for cwd, home in ((clone, clone / "conf"), (tmp_path, tmp_path)):
        monkeypatch.chdir(cwd)
        path = find_config(None, cwd)
        assert EngineSections.read(path, {}).folder == home
    assert load_config(clone / "conf" / "conf.yaml", environ={}).config.character.llm.folder == clone / "conf"
