"""The targets: for each, how its cases are made, how they reach the server, and what server that is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeAlias

import attrs
import trio

from tests.engines.model_server import Answering, open_model_server, streaming
from trio_backend.audio.pcm import Pcm

from . import attacks, children, frames, heads, hostile_child, messages, requests, sounds, streams, yaml_files
from .attacks import Attack
from .case import Case
from .subject import Start, Subject

Generate: TypeAlias = Callable[[Random, Sequence[bytes]], Case]

CORPUS = Path(__file__).with_name("corpus")

CONF = """
system_config:
  history_file: history.sqlite3
  enable_proxy: true
character_config:
  conf_name: Iris
  conf_uid: iris_001
  character_name: Iris
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {{basic_memory_agent: {{llm_provider: {llm}}}}}
    llm_configs:
      echo_llm: {{}}
      openai_compatible_llm: {{base_url: '{url}', model: m, first_token_timeout: 5, token_timeout: 2}}
  tts_config:
    tts_model: {tts}
    tone_tts: {{seconds_per_character: 0.0002}}
    openai_tts: {{base_url: '{url}', timeout: 5, file_extension: mp3}}
    espeak_tts: {{voice: en}}
  asr_config: {{asr_model: {asr}, scripted_asr: {{}}}}
  vad_config: {{vad_model: loudness_vad}}
"""


def conf(*, llm: str = "echo_llm", tts: str = "tone_tts", asr: str = "scripted_asr", url: str = "") -> str:
    """A configuration with these engines, in this process unless they are said to be at ``url``."""
    return CONF.format(llm=llm, tts=tts, asr=asr, url=url or "http://127.0.0.1:9/v1")


@attrs.frozen
class Ground:
    """What a target's server is started with, and how its cases attack it."""

    start: Start
    attack: Attack


@attrs.frozen
class Target:
    """What is attacked. ``unit`` is what is counted; ``cases`` of it are part of every test run.

    ``open`` prepares, in a folder, what the server needs besides itself; ``at_once`` cases are under way
    together.
    """

    name: str
    unit: str
    generate: Generate
    open: Callable[[Path], AbstractAsyncContextManager[Ground]]
    cases: int
    full: int
    at_once: int = 8

    def corpus(self) -> dict[str, bytes]:
        """What was found once, by file name."""
        folder = CORPUS / self.name
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


@asynccontextmanager
async def _plain(attack: Attack, folder: Path) -> AsyncIterator[Ground]:
    """A server with engines of its own."""
    await trio.lowlevel.checkpoint()
    yield Ground(Start(conf()), attack)


@attrs.define(eq=False)
class _Numbered:
    """Cases that reach the server through an engine, which finds them by the number in what is said."""

    cases: dict[str, bytes] = attrs.field(factory=dict)
    _count: int = attrs.field(default=0, init=False)

    async def attack(self, subject: Subject, data: bytes) -> None:
        """Say the number of a new case, in a turn."""
        self._count += 1
        number = str(self._count)
        self.cases[number] = data
        await attacks.have_turn(subject, data, f"Case {number}")
        del self.cases[number]

    async def answer(self, answering: Answering) -> None:
        """Answer a request with its case, and hang up; with something good where there is none."""
        body = answering.asked.body
        said = body.get("input") or body.get("messages", [{}])[-1].get("content", "")
        data = self.cases.get(said.removeprefix("Case ").strip())
        if data is not None:
            await answering.stream.send_all(data)
            await answering.stream.aclose()
        elif "input" in body:
            await answering.whole(200, Pcm(b"\0\x20" * 1600, 16_000).to_wav(), "Content-Type: audio/wav")
        else:
            await streaming("Yes, ", "I am.")(answering)


@asynccontextmanager
async def _behind_http(
    folder: Path, *, llm: str = "echo_llm", tts: str = "tone_tts"
) -> AsyncIterator[Ground]:
    """A server one of whose engines is a stand-in behind HTTP."""
    async with open_model_server() as stand_in:
        numbered = _Numbered()
        stand_in.behaviour = numbered.answer
        yield Ground(Start(conf(llm=llm, tts=tts, url=stand_in.url)), numbered.attack)


@attrs.define(eq=False)
class _Files:
    """Cases for child processes, which read them from a folder."""

    folder: Path
    say: Callable[[Subject, bytes, str], object]
    _count: int = attrs.field(default=0, init=False)

    async def attack(self, subject: Subject, data: bytes) -> None:
        """Write a new case, and say its number."""
        self._count += 1
        path = self.folder / str(self._count)
        path.write_bytes(data)
        if self.say is attacks.have_turn:
            await attacks.have_turn(subject, data, f"Case {path.name}")
        else:
            await attacks.have_heard(subject, data, path.name)
        path.unlink()


@asynccontextmanager
async def _worker(folder: Path) -> AsyncIterator[Ground]:
    """A server whose recognition is a child process of an engine's worker."""
    await trio.lowlevel.checkpoint()
    cases = folder / "cases"
    cases.mkdir()
    start = Start(conf(asr="hostile_asr"), "tests.fuzz.serving", {hostile_child.CASES: str(cases)})
    yield Ground(start, _Files(cases, attacks.have_heard).attack)


@asynccontextmanager
async def _program(folder: Path) -> AsyncIterator[Ground]:
    """A server that finds our program when it looks for espeak-ng."""
    await trio.lowlevel.checkpoint()
    cases, programs = folder / "cases", folder / "bin"
    cases.mkdir()
    programs.mkdir()
    program = programs / "espeak-ng"
    source = Path(hostile_child.__file__).read_text("utf-8")
    program.write_text(f"#!{sys.executable} -IS\n{source}", "utf-8")
    program.chmod(0o755)
    environ = {hostile_child.CASES: str(cases), "PATH": str(programs)}
    yield Ground(Start(conf(tts="espeak_tts"), environ=environ), _Files(cases, attacks.have_turn).attack)


def _uploads(rng: Random, corpus: Sequence[bytes]) -> Case:
    if corpus and rng.random() < 0.1:
        return Case(rng.choice(corpus))
    return Case(requests.upload(rng, sounds.wav(rng)))


TARGETS = (
    Target("handshake", "heads", heads.generate, partial(_plain, attacks.say_bytes), 400, 100_000),
    Target("frames", "frames", frames.generate, partial(_plain, attacks.say_frames), 600, 100_000),
    Target("messages", "messages", messages.generate, partial(_plain, attacks.say_messages), 300, 50_000, 4),
    Target("http", "requests", requests.generate, partial(_plain, attacks.say_bytes), 200, 10_000),
    Target("yaml", "files", yaml_files.generate, partial(_plain, attacks.load_file), 20, 2_000, 1),
    Target("asr", "uploads", _uploads, partial(_plain, attacks.say_bytes), 100, 5_000, 4),
    Target("voice", "answers", sounds.answer, partial(_behind_http, tts="openai_tts"), 30, 2_000),
    Target("sse", "answers", streams.generate, partial(_behind_http, llm="openai_compatible_llm"), 30, 3_000),
    Target("worker", "answers", children.answers, _worker, 10, 500, 2),
    Target("program", "sounds", children.sound, _program, 10, 500, 2),
)


def target_named(name: str) -> Target:
    """The target of that name. Raises `KeyError`."""
    return {target.name: target for target in TARGETS}[name]


def can_run(target: Target) -> bool:
    """Whether this machine has what ``target`` needs."""
    return target.name != "program" or (sys.platform != "win32" and shutil.which("sh") is not None)
