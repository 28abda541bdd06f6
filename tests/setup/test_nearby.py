"""What `init` finds on a machine: what programs say as documented, and what anybody may send there."""

from __future__ import annotations

import pytest
import trio

from tests.setup import servers
from tests.setup.servers import Behaviour, json_at, open_servers, unused_host, wyoming
from trio_backend.setup.nearby import PROBES, FoundNames, LookedAt, is_host, look_around


async def look(port: int, behave: Behaviour) -> LookedAt:
    """What is found where one such server runs; the others are found closed."""
    async with open_servers({port: behave}) as host:
        results = await look_around(host)
    assert [each.port for each in results] == [probe.port for probe in PROBES]
    assert {each.outcome for each in results if each.port != port} == {"closed"}
    return next(each for each in results if each.port == port)


@pytest.mark.parametrize(
    ("port", "behave", "found"),
    [
        (11434, servers.ALL[11434], FoundNames(models=("qwen2.5:latest",))),
        (11434, json_at(11434, b'{"models": []}'), FoundNames()),
        (1234, servers.ALL[1234], FoundNames(models=("qwen2.5-7b-instruct",))),
        (8080, servers.ALL[8080], FoundNames(models=("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",))),
        (8000, json_at(8000, servers.VLLM), FoundNames(models=("mistralai/Mistral-7B-Instruct-v0.3",))),
        (
            8000,
            servers.ALL[8000],
            FoundNames(
                recognisers=("Systran/faster-distil-whisper-small.en",),
                speakers=("speaches-ai/Kokoro-82M-v1.0-ONNX",),
            ),
        ),
        (8000, json_at(8000, servers.OPENEDAI_SPEECH), FoundNames(speakers=("tts-1", "tts-1-hd"))),
        (8880, servers.ALL[8880], FoundNames(voices=("am_adam", "af_sky"))),
        (8880, json_at(8880, servers.OLD_KOKORO), FoundNames(voices=("af_sky", "zf_xiaobei", "jf_alpha"))),
        (8020, servers.ALL[8020], FoundNames(voices=("calm_female", "female", "male"))),
        (9880, servers.ALL[9880], FoundNames()),
        (10200, servers.ALL[10200], FoundNames(voices=("de_DE-thorsten-medium", "en_US-lessac-medium"))),
        (10300, servers.ALL[10300], FoundNames(recognisers=("small-int8",))),
    ],
)
async def test_what_programs_list_is_found(port: int, behave: Behaviour, found: FoundNames) -> None:
    """With models that chat told from those that hear, speak, or do neither."""
    one = await look(port, behave)
    assert (one.outcome, one.found) == ("found", found)


def raw(answer: bytes) -> Behaviour:
    """Answers any request with these bytes."""

    async def behave(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    return behave


def endless(begin: bytes, more: bytes) -> Behaviour:
    async def behave(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(begin)
        while True:
            await stream.send_all(more)

    return behave


async def silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def slow(stream: trio.SocketStream) -> None:
    """A byte now and then: within the deadline of each read, and never done."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000:
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.05)


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"

# Good for every kind of server, but XTTS.
LISTS = (
    b'{"models": [{"name": "a"}], "data": [{"id": "a"}], "voices": ["a"], "paths": {"/set_gpt_weights": {}}}'
)

HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "garbage": (raw(b"\x00\xff\xfe\r\n\r\n"), "other"),
    "another protocol": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "other"),
    "closes at once": (raw(b""), "other"),
    "not JSON": (raw(HEAD + b"\r\n<html>hello</html>"), "other"),
    "another JSON": (raw(HEAD + b'\r\n{"models": 7, "data": "x", "voices": {}}'), "other"),
    "bytes that are no text": (raw(HEAD + b'\r\n{"models": [{"name": "\xff"}]}'), "other"),
    "deep": (raw(HEAD + b'\r\n{"x": ' + b"[" * 200_000), "other"),
    "401": (raw(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), "locked"),
    "404": (raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "other"),
    "a redirect": (
        raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/api/tags\r\nContent-Length: 0\r\n\r\n"),
        "other",
    ),
    "an error with a list": (raw(b"HTTP/1.1 500 Whatever\r\nConnection: close\r\n\r\n" + LISTS), "other"),
    "a redirect with a list": (
        raw(b"HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\n\r\n" + LISTS),
        "other",
    ),
    "an endless body": (endless(HEAD + b"\r\n[", b" " * 65_536), "other"),
    "an endless head": (endless(HEAD, b"X-Header: x\r\n" * 1_000), "other"),
    "silence": (silent, "silent"),
    "slow": (slow, "silent"),
}


@pytest.mark.parametrize("port", [11434, 8000, 8880, 8020, 9880, 10200])
@pytest.mark.parametrize("what", HOSTILE)
async def test_whatever_answers_is_told_and_nothing_more(what: str, port: int) -> None:
    """No kind of server is found in it, and it ends in time."""
    behave, outcome = HOSTILE[what]
    with trio.fail_after(10):
        one = await look(port, behave)
    expected = {outcome} if port != 10200 else {"other", "silent"}
    assert one.outcome in expected
    assert one.found == FoundNames()


async def test_only_plain_names_are_repeated() -> None:
    """Nothing that moves the cursor, begins a line, or is as long as a page. Other scripts are names, too."""
    names = r'"\u001b[2J", "a\nb", "", " x", "x ", "%s", "\u202eevil", "小雪", "af_sky"' % ("x" * 101)
    one = await look(8880, json_at(8880, f'{{"voices": [{names}]}}'.encode()))
    assert one.found.voices == ("小雪", "af_sky")


async def test_names_are_bounded_in_number() -> None:
    """A list of a hundred thousand voices is not shown, nor kept."""
    names = ", ".join(f'"v{number}"' for number in range(20_000))
    one = await look(8880, json_at(8880, f'{{"voices": [{names}]}}'.encode()))
    assert len(one.found.voices) == 200


async def test_all_are_asked_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """The whole wait is that of one, if none of them answers."""
    async with open_servers(dict.fromkeys(servers.ALL, silent)) as host:
        before = trio.current_time()
        results = await look_around(host)
        assert trio.current_time() - before <= 1.0
    assert {each.outcome for each in results} == {"silent"}


async def test_where_nobody_listens_there_is_nothing() -> None:
    """As on most machines."""
    assert {each.outcome for each in await look_around(unused_host())} == {"closed"}


async def test_a_name_that_no_machine_has_is_closed_too() -> None:
    """As of a slip of the pen in --look-on."""
    results = await look_around("no-such-machine.invalid")
    assert {each.outcome for each in results} <= {"closed", "silent"}


async def test_an_event_too_large_is_no_wyoming_server() -> None:
    """It announces a gigabyte, of which nothing is read."""
    one = await look(10200, wyoming(b'{"type": "info", "data_length": 1000000000}\n{'))
    assert one.outcome == "other"


@pytest.mark.parametrize(
    "text", ["localhost", "192.168.1.5", "::1", "fd00::5", "my-pc.local", "host_1", "a.b."]
)
def test_machines_have_names_and_addresses(text: str) -> None:
    """As people write them."""
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://x",
        "x:80",
        "[::1]",
        "a b",
        "a..b",
        ".",
        "-x",
        "x" * 64,
        "a/b",
        "a@b",
        "a\n",
        "h\u00e4",
        "a." * 127,
    ],
)
def test_what_is_no_machine_is_not_asked(text: str) -> None:
    """A URL, a port, and what the resolver would raise for."""
    assert not is_host(text)
