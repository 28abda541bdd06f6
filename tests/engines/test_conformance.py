"""What every engine promises, asked of every adapter; on the real clock, since some of them are real."""

from __future__ import annotations

import math
import shutil
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
import trio

from tests.children import Children
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineKind
from trio_backend.engines.base import Asr, AsrTranscript, Llm, Message, Prompt, Text, Tts
from trio_backend.engines.fallback_engines import config_of_list
from trio_backend.engines.registry import EngineConfig, configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts import espeak, espeak_installed
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.whole import spoken, transcribed
from trio_backend.errors import EngineError

from . import llama_stand_in, tiny_llama, tiny_whisper
from .claude_stand_in import open_claude
from .completion_stand_in import open_completions
from .edge_stand_in import open_edge
from .gradio_stand_in import GRADIO_VOICES
from .model_server import Answering, body, hanging, open_model_server, refusing, streaming
from .speech_services import SERVICES
from .speech_sounds import silence
from .system_speech import skip_without_system_speech
from .torch_voices import TORCH_VOICES, write_libraries
from .voice_services import VOICES
from .wyoming_stand_in import open_wyoming_asr, open_wyoming_tts

# A program that says as many samples as there are bytes in the text.
HUM = (
    "import sys; text = sys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\0\\x20\\0\\xe0' * 4 * len(text))"
)
HUMMING = [sys.executable, "-S", "-c", HUM]

PROMPT = Prompt("You are Mao.", [Message("user", "Hello there, my dear old friend.")], character="Mao")

OpenLlm = Callable[[], AbstractAsyncContextManager[Llm]]
T = TypeVar("T")
Stream: TypeAlias = AbstractAsyncContextManager[trio.abc.ReceiveChannel[T]]
OpenAsr = Callable[[], AbstractAsyncContextManager[Asr]]
OpenTts = Callable[[], AbstractAsyncContextManager[Tts]]


def config(kind: EngineKind, name: str, settings: Mapping[str, object]) -> EngineConfig:
    """As a configuration file would have it."""
    return configure(kind, name, settings, environment=Environment(Path(), {}))


def opens(
    kind: EngineKind, name: str, **settings: object
) -> Callable[[], AbstractAsyncContextManager[object]]:
    """An engine that needs nothing else."""
    return lambda: open_engine(config(kind, name, settings))


@asynccontextmanager
async def open_model() -> AsyncIterator[Llm]:
    """The adapter for model servers, and a server that is as fast as the others here."""
    async with open_model_server() as server:
        server.behaviour = streaming("Hello ", "there, ", "my ", "friend.", delay=0.01)
        chosen = config("llm", "openai_compatible_llm", {"base_url": server.url, "model": "m"})
        async with open_engine(chosen) as llm:
            yield llm


NOWHERE = "http://127.0.0.1:9/v1"  # nobody listens there


def opens_list(*chosen: EngineConfig) -> Callable[[], AbstractAsyncContextManager[Any]]:
    """Several engines as one."""
    return lambda: open_engine(config_of_list(chosen, 3600))


@asynccontextmanager
async def open_speech_server() -> AsyncIterator[Tts]:
    """The adapter for speech servers, and a server that hums."""
    async with open_model_server() as server:
        server.behaviour = body(hum(0.5).to_wav(), "audio/wav")
        async with open_engine(config("tts", "openai_tts", {"base_url": server.url})) as tts:
            yield tts


@asynccontextmanager
async def open_stream_of_samples() -> AsyncIterator[Tts]:
    """The same adapter, with a server that sends samples as it makes them."""

    async def answer(answering: Answering) -> None:
        await answering.head(200, ["Content-Type: audio/pcm", "Transfer-Encoding: chunked"])
        for at in range(0, len(samples), 4_801):
            await answering.chunk(samples[at : at + 4_801])
            await trio.sleep(0.005)
        await answering.stream.send_all(b"0\r\n\r\n")

    samples = hum(0.5).samples
    settings = {"file_extension": "pcm", "sample_rate": hum(0.5).rate}
    async with open_model_server() as server:
        server.behaviour = answer
        async with open_engine(config("tts", "openai_tts", {"base_url": server.url, **settings})) as tts:
            yield tts


@asynccontextmanager
async def open_espeak_library() -> AsyncIterator[Tts]:
    """espeak-ng as it is on a machine without the program."""
    yield espeak.Espeak(espeak.EspeakConfig(), espeak_installed.find_library(), trio.CapacityLimiter(2))


@pytest.fixture(
    params=[
        "echo_llm",
        "scripted_llm",
        "openai_compatible_llm",
        "claude_llm",
        "stateless_llm_with_template",
        "llama_cpp_llm",
        "llama_cpp_llm, stand-in",
        "a list",
        "a list, the second",
    ]
)
def open_llm(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Each language model in turn; llama.cpp for real where it is installed, on a tiny model."""
    if request.param.startswith("llama_cpp_llm"):
        if request.param.endswith("stand-in"):
            llama_stand_in.use(tmp_path / "stand-in", monkeypatch)
        elif find_spec("llama_cpp") is None:
            pytest.skip("the extra llama-cpp is not installed")
        tiny_llama.write_model(tmp_path / "m.gguf")
        return opens("llm", "llama_cpp_llm", model_path=f"{tmp_path / 'm.gguf'}")
    return {
        "echo_llm": opens("llm", "echo_llm", token_delay=0.01),
        "scripted_llm": opens("llm", "scripted_llm", token_delay=0.01),
        "openai_compatible_llm": open_model,
        "a list": opens_list(config("llm", "echo_llm", {"token_delay": 0.01}), config("llm", "echo_llm", {})),
        "a list, the second": opens_list(
            config("llm", "openai_compatible_llm", {"base_url": NOWHERE, "model": "m"}),
            config("llm", "echo_llm", {"token_delay": 0.01}),
        ),
        "claude_llm": open_claude,
        "stateless_llm_with_template": open_completions,
    }[request.param]


def open_tiny_voice(name: str, folder: Path) -> OpenTts:
    """A library with the smallest model that it loads, in ``folder``."""
    pytest.importorskip("onnx")
    library = name.removesuffix("_tts")
    pytest.importorskip(library, reason=f"the library of {name} is not installed")
    if name == "piper_tts":
        from . import tiny_piper

        tiny_piper.write_voice(folder / "model.onnx")
        settings = {"model_path": f"{folder / 'model.onnx'}"}
    else:
        from . import tiny_vits

        tiny_vits.write_model(folder)
        settings = {"vits_model": f"{folder / 'model.onnx'}", "vits_tokens": f"{folder / 'tokens.txt'}"}
    # So fast that it is done with a very long text before anybody can cancel it.
    chosen = configure("tts", name, settings, environment=Environment(Path(), {}, 3600))
    return lambda: open_engine(chosen)


@pytest.fixture(
    params=[
        "tone_tts",
        "tone_tts, chunks",
        "none_tts",
        "espeak_tts",
        "espeak_library",
        "a list",
        "a list, chunks",
        "a list, the second",
        "openai_tts",
        "openai_tts, pcm",
        "edge_tts",
        "command_tts",
        "wyoming_tts",
        "piper_tts",
        "sherpa_onnx_tts",
        "pyttsx3_tts",
        *TORCH_VOICES,
        *VOICES,
        *GRADIO_VOICES,
    ]
)
def open_tts(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Each speech synthesis in turn; libraries for real, but for those that bring torch."""
    if request.param in TORCH_VOICES:
        write_libraries(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return opens("tts", request.param)
    if request.param in ("piper_tts", "sherpa_onnx_tts"):
        return open_tiny_voice(request.param, tmp_path)
    if request.param == "pyttsx3_tts":
        skip_without_system_speech()
        return opens("tts", "pyttsx3_tts")
    if request.param == "edge_tts":
        pytest.importorskip("edge_tts", reason="the extra edge is not installed")
    if request.param == "espeak_tts" and shutil.which("espeak-ng") is None:
        pytest.skip("the program espeak-ng is not installed")
    return {
        "tone_tts": opens("tts", "tone_tts"),
        "tone_tts, chunks": opens("tts", "tone_tts", chunk=0.3),
        "none_tts": opens("tts", "none_tts"),
        "espeak_tts": opens("tts", "espeak_tts"),
        "espeak_library": open_espeak_library,
        "a list": opens_list(config("tts", "tone_tts", {}), config("tts", "none_tts", {})),
        "a list, chunks": opens_list(
            config("tts", "tone_tts", {"chunk": 0.3}), config("tts", "none_tts", {})
        ),
        "a list, the second": opens_list(
            config("tts", "openai_tts", {"base_url": NOWHERE, "file_extension": "pcm"}),
            config("tts", "tone_tts", {"chunk": 0.3}),
        ),
        "openai_tts": open_speech_server,
        "openai_tts, pcm": open_stream_of_samples,
        "edge_tts": open_edge,
        "wyoming_tts": open_wyoming_tts,
        "command_tts": opens("tts", "command_tts", command=HUMMING, sample_rate=16_000),
        **{name: voice.open for name, voice in VOICES.items()},
        **{name: voice.open for name, voice in GRADIO_VOICES.items()},
    }[request.param]


@asynccontextmanager
async def open_transcription_server() -> AsyncIterator[Asr]:
    """The adapter for transcription servers, and a server that always understands the same."""
    async with open_model_server() as server:
        server.behaviour = body(b'{"text": " Hello there. "}', "application/json")
        chosen = config("asr", "openai_compatible_asr", {"base_url": server.url})
        async with open_engine(chosen) as asr:
            yield asr


def open_tiny_sherpa(folder: Path) -> OpenAsr:
    """sherpa-onnx with a streaming model in ``folder``."""
    pytest.importorskip("onnx")
    if find_spec("sherpa_onnx") is None:
        pytest.skip("the extra sherpa is not installed")
    from .tiny_sherpa import write_model

    write_model(folder)
    files = {name: f"{folder / name}.onnx" for name in ("encoder", "decoder", "joiner")}
    settings = {"model_type": "online_transducer", "tokens": f"{folder / 'tokens.txt'}", **files}
    chosen = config("asr", "sherpa_onnx_asr", settings)
    return lambda: open_engine(chosen)


@asynccontextmanager
async def open_azure_asr() -> AsyncIterator[Asr]:
    """The adapter for Azure's Speech service, and a server that always understands the same."""
    async with open_model_server() as server:
        server.behaviour = body(
            b'{"RecognitionStatus": "Success", "DisplayText": "Hello."}', "application/json"
        )
        settings = {"base_url": server.url.removesuffix("/v1"), "api_key": "k"}
        async with open_engine(config("asr", "azure_asr", settings)) as asr:
            yield asr


@pytest.fixture(
    params=[
        "scripted_asr",
        "scripted_asr, partial",
        "a list",
        "a list, the second",
        "pocketsphinx_asr",
        "openai_compatible_asr",
        "wyoming_asr",
        "command_asr",
        "azure_asr",
        "whisper_cpp",
        "sherpa_onnx_asr, online",
        *SERVICES,
    ]
)
def open_asr(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """Each speech recognition in turn; libraries for real, on the smallest models that they load."""
    if request.param == "whisper_cpp":
        pytest.importorskip("pywhispercpp.constants", reason="the extra whisper-cpp is not installed")
        tiny_whisper.write_model(tmp_path / "m.bin")
        return opens("asr", "whisper_cpp", model_name=f"{tmp_path / 'm.bin'}", language="en")
    if request.param == "sherpa_onnx_asr, online":
        return open_tiny_sherpa(tmp_path)
    return {
        "scripted_asr": opens("asr", "scripted_asr", delay=0.01),
        "scripted_asr, partial": opens("asr", "scripted_asr", partial=True),
        "a list": opens_list(
            config("asr", "scripted_asr", {"partial": True}), config("asr", "scripted_asr", {})
        ),
        "a list, the second": opens_list(
            config("asr", "openai_compatible_asr", {"base_url": NOWHERE}),
            config("asr", "scripted_asr", {"partial": True}),
        ),
        "pocketsphinx_asr": opens("asr", "pocketsphinx_asr", phrases=["hello there"]),
        "openai_compatible_asr": open_transcription_server,
        "wyoming_asr": open_wyoming_asr,
        "azure_asr": open_azure_asr,
        "command_asr": opens("asr", "command_asr", command=[sys.executable, "-c", "print('Hello')"]),
        **{name: service.open for name, service in SERVICES.items()},
    }[request.param]


class Stalled(trio.abc.ReceiveChannel[Pcm]):
    """Sound of somebody who says nothing more and does not stop."""

    async def receive(self) -> Pcm:
        """Never returns."""
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        """Nothing is held."""
        await trio.lowlevel.checkpoint()


def size(values: Sequence[object]) -> int:
    """Bytes of sound, characters of text, final transcripts; of what else there is, how many."""

    def one(value: object) -> int:
        match value:
            case Pcm():
                return len(value.samples)
            case Text():
                return len(value.text)
            case AsrTranscript():
                return int(value.final)
            case _:
                return 1

    return sum(map(one, values))


async def cancelled_at_each_receive(stream: Callable[[], Stream[T]]) -> None:
    """Cancel the first receive of a stream, then the second of another, and so on; each when it has begun.

    Whatever the engine does then, it stops in time; and the next stream is whole.
    """
    async with stream() as values:
        first = [value async for value in values]
    count = len(first)
    for at in range(count + 1):
        with trio.CancelScope() as scope:
            async with stream() as values:
                # How many pieces the network makes of it may differ from time to time.
                with suppress(trio.EndOfChannel):
                    for _ in range(at):
                        await values.receive()
                    # A few steps on: the engine is amid its work, where it has any left.
                    scope.deadline = trio.current_time() + 0.001
                    await values.receive()
        if scope.cancelled_caught:
            assert trio.current_time() - scope.deadline < PROMPTLY
    async with stream() as values:
        again = [value async for value in values]
    # The voice of a system may take a little longer, or shorter, each time.
    assert size(again) == pytest.approx(size(first), rel=0.1)


async def whole(llm: Llm) -> str:
    """What is said in a reply, from its first to its last part."""
    async with llm.reply(PROMPT) as parts:
        return "".join([part.text async for part in parts if isinstance(part, Text)])


async def test_a_reply_comes_in_tokens_and_ends(open_llm: OpenLlm) -> None:
    """Several pieces that make a text, none of them empty."""
    with trio.fail_after(10):
        async with open_llm() as llm, llm.reply(PROMPT) as tokens:
            pieces = [token async for token in tokens]
    assert len(pieces) > 1
    assert all(isinstance(piece, Text) and piece.text for piece in pieces)


async def test_replies_may_overlap(open_llm: OpenLlm) -> None:
    """Three at once are three whole replies."""
    replies: list[str] = []

    async def ask(llm: Llm) -> None:
        replies.append(await whole(llm))

    with trio.fail_after(10):
        async with open_llm() as llm, trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, llm)
    assert len(replies) == 3
    assert all(len(reply.split()) > 1 for reply in replies)


async def test_a_reply_may_be_left_early(open_llm: OpenLlm) -> None:
    """Leaving after one token, or before the first, takes no time and disturbs no later reply."""
    with trio.fail_after(10):
        async with open_llm() as llm:
            await whole(llm)
            for count in (0, 1):
                async with llm.reply(PROMPT) as tokens:
                    for _ in range(count):
                        await tokens.receive()
                    began = trio.current_time()
                assert trio.current_time() - began < PROMPTLY
            assert await whole(llm)


@pytest.mark.parametrize("after", [0.0, 0.005, 0.015])
async def test_a_cancelled_reply_ends_promptly(open_llm: OpenLlm, after: float) -> None:
    """Wherever the model is, a barge-in has no wait; the next reply is whole."""
    with trio.fail_after(10):
        async with open_llm() as llm:
            await whole(llm)
            with trio.move_on_after(after) as scope:
                await whole(llm)
            assert trio.current_time() - scope.deadline < PROMPTLY
            assert await whole(llm)


async def test_a_reply_is_cancelled_at_each_receive(open_llm: OpenLlm) -> None:
    """Wherever a turn is cut."""
    with trio.fail_after(30):
        async with open_llm() as llm:
            await cancelled_at_each_receive(lambda: llm.reply(PROMPT))


async def test_a_failing_model_raises_from_receive() -> None:
    """What was received before the error stands, and the error comes bare, in no group."""
    async with (
        open_engine(config("llm", "echo_llm", {"fail": "no more", "fail_at": 2})) as llm,
        llm.reply(PROMPT) as tokens,
    ):
        assert [await tokens.receive(), await tokens.receive()] == [Text("Hello "), Text("there, ")]
        with pytest.raises(EngineError, match="no more"):
            await tokens.receive()


async def test_a_sentence_becomes_sound(open_tts: OpenTts) -> None:
    """Whole samples at an ordinary rate; all but the silent one can be heard."""
    with trio.fail_after(20):
        async with open_tts() as tts:
            pcm = await spoken(tts, "Hello there, my friend.")
    assert len(pcm.samples) % 2 == 0
    assert 8_000 <= pcm.rate <= 48_000
    loudest = max(map(abs, struct.unpack(f"<{len(pcm.samples) // 2}h", pcm.samples)), default=0)
    assert loudest > 1000 or type(tts).__name__ == "SilentTts"


@pytest.mark.parametrize(
    "text", ["", " ", "…", "-v nosuch --help", "a\0b", "\ud800 cut", "🎈", "[[h@l'oU]]", "<b>"]
)
async def test_any_text_can_be_said(open_tts: OpenTts, text: str) -> None:
    """Nothing that a model may write makes speech synthesis fail."""
    with trio.fail_after(20):
        async with open_tts() as tts:
            assert isinstance(await spoken(tts, text), Pcm)


async def test_sentences_may_overlap(open_tts: OpenTts) -> None:
    """Four at once, each with the sound of its own text."""
    lengths: dict[int, float] = {}

    async def say(tts: Tts, count: int) -> None:
        lengths[count] = (await spoken(tts, "one two three four " * count)).seconds

    with trio.fail_after(30):
        async with open_tts() as tts, trio.open_nursery() as nursery:
            for count in (4, 3, 2, 1):
                nursery.start_soon(say, tts, count)
    in_order = [lengths[count] for count in (1, 2, 3, 4)]
    assert in_order == sorted(in_order)


@pytest.mark.parametrize("after", [0.0, 0.002, 0.03])
async def test_a_cancelled_sentence_ends_promptly(open_tts: OpenTts, after: float) -> None:
    """A barge-in leaves no child process but the engine's own, if it has one, and the engine speaks on."""
    children = Children()
    with trio.fail_after(30):
        async with open_tts() as tts:
            await spoken(tts, "Hello.")
            idle = len(children.all())
            with trio.move_on_after(after) as scope:
                await spoken(tts, "This is a very long sentence, and nobody will hear it out. " * 200)
            assert not scope.cancelled_caught or trio.current_time() - scope.deadline < PROMPTLY
            assert len(children.all()) <= idle <= 1
            assert isinstance(await spoken(tts, "Hello."), Pcm)
    assert children.all() == []


async def test_a_sentence_is_cancelled_at_each_receive(open_tts: OpenTts) -> None:
    """Wherever a turn is cut; no child process is left but the engine's own."""
    children = Children()
    with trio.fail_after(30):
        async with open_tts() as tts:
            idle = len(children.all())
            await cancelled_at_each_receive(lambda: tts.speak("Hello there."))
            assert len(children.all()) <= idle <= 1
    assert children.all() == []


async def test_chunks_of_sound_are_of_one_rate_and_not_empty(open_tts: OpenTts) -> None:
    """So that they can be played one behind the other."""
    with trio.fail_after(20):
        async with open_tts() as tts:
            for text in ("Hello there, my friend.", "…"):
                async with tts.speak(text) as chunks:
                    sound = [chunk async for chunk in chunks]
                assert all(chunk.samples for chunk in sound)
                assert len({chunk.rate for chunk in sound}) <= 1


@asynccontextmanager
async def utterance(*chunks: Pcm) -> AsyncIterator[trio.abc.ReceiveChannel[Pcm]]:
    """Sound that is already there."""
    send, sound = trio.open_memory_channel[Pcm](len(chunks))
    async with send, sound:
        for chunk in chunks:
            send.send_nowait(chunk)
        send.close()
        yield sound


@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_the_final_transcript_comes_last(open_asr: OpenAsr, chunks: int) -> None:
    """There is one, for any sound, for none too; and the sound is still the caller's to close."""
    with trio.fail_after(30):
        async with open_asr() as asr, utterance(*[silence(0.1)] * chunks) as sound:
            async with asr.listen(sound) as transcripts:
                heard = [transcript async for transcript in transcripts]
            assert [transcript.final for transcript in heard] == [False] * (len(heard) - 1) + [True]
            with pytest.raises(trio.EndOfChannel):
                await sound.receive()


async def test_recognition_is_cancelled_at_each_receive(open_asr: OpenAsr) -> None:
    """Wherever it is; also while somebody still speaks."""

    @asynccontextmanager
    async def stream(asr: Asr) -> AsyncIterator[trio.abc.ReceiveChannel[AsrTranscript]]:
        async with utterance(silence(0.1), silence(0.1)) as sound, asr.listen(sound) as transcripts:
            yield transcripts

    with trio.fail_after(60):
        async with open_asr() as asr:
            await cancelled_at_each_receive(lambda: stream(asr))
            with trio.move_on_after(0.01) as scope:
                async with asr.listen(Stalled()) as transcripts:
                    await transcripts.receive()
            assert scope.cancelled_caught
            assert trio.current_time() - scope.deadline < PROMPTLY
            assert isinstance(await transcribed(asr, silence(0.1)), str)


HANG = (hanging(), hanging("word "))
REFUSE = (refusing(401), refusing(404, {"message": "no"}), refusing(429, None, "Retry-After: 99"))


@pytest.mark.parametrize("behaviour", [*HANG, *REFUSE])
async def test_a_server_in_trouble_raises_only_engine_errors(
    behaviour: Callable[[object], Awaitable[None]],
) -> None:
    """Through language model and speech synthesis alike, whatever the server does."""
    async with open_model_server() as server:
        server.behaviour = behaviour
        patience = {"first_token_timeout": 0.2, "token_timeout": 0.2}
        chat = config("llm", "ollama_llm", {"base_url": server.url, "model": "m", **patience})
        speech = config("tts", "openai_tts", {"base_url": server.url, "timeout": 0.2})
        with trio.fail_after(10):
            async with open_engine(chat) as llm:
                with pytest.raises(EngineError, match="ollama_llm"):
                    await whole(llm)
            async with open_engine(speech) as tts:
                with pytest.raises(EngineError, match="openai_tts"):
                    await spoken(tts, "Hello.")


def test_the_tone_lasts_as_long_as_it_should() -> None:
    """Whole periods, so up to one of them more."""
    assert hum(0) == Pcm(b"", 16_000)
    assert math.isclose(hum(1.5).seconds, 1.5)
    assert 0.01 <= hum(0.0099).seconds <= 0.0125
