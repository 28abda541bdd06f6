"""What RFC 6455 demands of a server's frames, checked by a hand-written client over real sockets."""

from __future__ import annotations

import pytest
import trio

from tests.server.raw_client import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    announce,
    close_frame,
    connect,
    connect_websocket,
    frame,
    handshake,
)
from tests.server.running import run_server
from trio_backend.server import ServerOptions

LIMIT = 8 * 2**20


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 300_000])
async def test_text_comes_back_whole_with_every_form_of_length(size: int) -> None:
    """Section 5.2: lengths of 7, 16 and 64 bits."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, b"x" * size))
        assert await client.message() == "x" * size


async def test_binary_frames_are_delivered_as_bytes() -> None:
    """Section 5.6: whether a message is text is told by its opcode."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(BINARY, b"\xff\x00"))
        assert await client.message() == "2 bytes"
        await client.send(frame(BINARY, b"\xff", fin=False), frame(CONT, b"\xff\xff"))
        assert await client.message() == "3 bytes"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(frame(TEXT, b"hello", mask=False), id="unmasked"),
        pytest.param(frame(PING, b"", mask=False), id="unmasked control"),
        pytest.param(frame(TEXT, b"hello", reserved=4), id="RSV1"),
        pytest.param(frame(TEXT, b"hello", reserved=2), id="RSV2"),
        pytest.param(frame(PING, b"", reserved=1), id="RSV3 in a ping"),
        *(
            pytest.param(frame(opcode, b""), id=f"opcode {opcode}")
            for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        ),
        pytest.param(frame(PING, b"x" * 126), id="ping of 126 bytes"),
        pytest.param(frame(PONG, b"x" * 126), id="pong of 126 bytes"),
        pytest.param(frame(CLOSE, b"\x03\xe8" + b"x" * 124), id="close of 126 bytes"),
        pytest.param(frame(PING, b"", fin=False), id="fragmented ping"),
        pytest.param(frame(CLOSE, b"", fin=False), id="fragmented close"),
        pytest.param(frame(CONT, b"hello"), id="continuation of nothing"),
        pytest.param(frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), id="message inside a message"),
        pytest.param(frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), id="binary inside a message"),
        pytest.param(frame(CLOSE, b"\x03"), id="close with one byte"),
    ],
)
async def test_what_the_protocol_does_not_know_closes_1002(wrong: bytes) -> None:
    """Sections 5.1 to 5.5: masking, reserved bits and opcodes, control frames, fragmentation."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(wrong)
        assert await client.closed() == 1002


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(frame(TEXT, b"\xff\xfe"), id="no UTF-8 at all"),
        pytest.param(frame(TEXT, b"\xc0\xaf"), id="overlong"),
        pytest.param(frame(TEXT, b"\xed\xa0\x80"), id="surrogate"),
        pytest.param(frame(TEXT, b"\xf4\x90\x80\x80"), id="beyond Unicode"),
        pytest.param(frame(TEXT, "ö".encode()[:1]), id="cut off"),
        pytest.param(frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"x"), id="broken over fragments"),
        pytest.param(close_frame(1000, b"\xff"), id="close reason"),
    ],
)
async def test_text_that_is_no_utf8_closes_1007(wrong: bytes) -> None:
    """Section 8.1."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(wrong)
        assert await client.closed() == 1007


async def test_a_message_in_fragments_is_one_message() -> None:
    """Section 5.4, with empty fragments, and with a character cut in two."""
    parts = [b"ein ", b"", "Kätz".encode()[:2], "Kätz".encode()[2:], b"", b"chen"]
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, parts[0], fin=False))
        for part in parts[1:-1]:
            await client.send(frame(CONT, part, fin=False))
        await client.send(frame(CONT, parts[-1]))
        assert await client.message() == "ein Kätzchen"


async def test_control_frames_between_fragments_are_answered_at_once() -> None:
    """Section 5.4: a ping may come in the middle of a message, and does not wait for its end."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, b"hello, ", fin=False), frame(PING, b"?"))
        assert await client.frame() == (0x80 | PONG, b"?")
        await client.send(frame(PONG, b"unasked"), frame(CONT, b"world"))
        assert await client.message() == "hello, world"


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(125))])
async def test_a_pong_repeats_the_ping(payload: bytes) -> None:
    """Section 5.5.3."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(PING, payload))
        assert await client.frame() == (0x80 | PONG, payload)


async def test_ten_pings_get_ten_pongs_in_order() -> None:
    """Section 5.5.3 asks for no more than the newest; while nothing is in the way, all are answered."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(*(frame(PING, b"%d" % number) for number in range(10)))
        assert [await client.frame() for _ in range(10)] == [(0x80 | PONG, b"%d" % n) for n in range(10)]


async def test_unsolicited_pongs_change_nothing() -> None:
    """Section 5.5.3: a one-way heartbeat."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(PONG), frame(PONG, b"x" * 125), frame(TEXT, b"still here"))
        assert await client.message() == "still here"


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
async def test_a_close_is_echoed(code: int) -> None:
    """Sections 5.5.1 and 7.4: the answer has the same code, and the server ends the connection."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(close_frame(code, "tschüß".encode()))
        assert await client.closed() == code


async def test_a_close_without_a_code_is_echoed_without_one() -> None:
    """Section 7.1.5: 1005 is for us to remember, and never sent."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(CLOSE))
        assert await client.closed() == 1005


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
async def test_close_codes_that_must_not_be_sent_are_errors(code: int) -> None:
    """Section 7.4.1 and 7.4.2."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(close_frame(code))
        assert await client.closed() == 1002


async def test_nothing_behind_a_close_is_read() -> None:
    """Section 5.5.1: what follows a close frame is ignored."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, b"last"), close_frame(1000), frame(TEXT, b"ghost"))
        # What was sent first is answered first.
        assert await client.message() == "last"
        assert await client.closed() == 1000


async def test_a_close_in_the_middle_of_a_message_ends_the_connection() -> None:
    """Section 5.4 lets a control frame come there, but then the message never ends."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, b"hel", fin=False), close_frame(1000))
        assert await client.closed() == 1000


async def test_our_close_comes_first_when_the_handler_returns() -> None:
    """Section 7.1.1: we say 1000, wait for the answer, and close."""
    async with run_server() as running, connect_websocket(running.port, "/once") as client:
        await client.send(frame(TEXT, b"bye"))
        assert await client.frame() == (0x80 | CLOSE, b"\x03\xe8")
        await client.send(frame(TEXT, b"too late"), frame(PING, b"too late"), close_frame(1000))
        await client.ended()


@pytest.mark.parametrize("announced", [LIMIT + 1, 200_000_000, 2**62, 2**63 - 1])
async def test_a_frame_that_announces_too_much_closes_1009_unread(announced: int) -> None:
    """Section 7.4.1: the announcement is enough."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(announce(0x80 | TEXT, announced))
        assert await client.closed() == 1009


async def test_fragments_that_add_up_to_too_much_close_1009() -> None:
    """The limit is for the message, however it is cut."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, b"x" * (LIMIT // 2), fin=False))
        await client.send(frame(CONT, b"x" * (LIMIT // 2), fin=False))
        await client.send(frame(CONT, b"x"))
        assert await client.closed() == 1009


async def test_a_message_of_the_limit_is_taken() -> None:
    """The limit is inclusive, in one frame and in several."""
    options = ServerOptions(max_message_size=70_000)
    async with run_server(options) as running, connect_websocket(running.port) as client:
        await client.send(frame(TEXT, b"x" * 70_000))
        assert len(await client.message()) == 70_000
        await client.send(frame(TEXT, b"x" * 35_000, fin=False), frame(CONT, b"x" * 35_000))
        assert len(await client.message()) == 70_000


async def test_the_reason_of_1009_arrives_though_the_client_goes_on_sending() -> None:
    """Unread bytes would make the kernel reset the connection, and the client would lose our close frame."""
    async with run_server() as running, connect_websocket(running.port) as client:
        await client.send(announce(0x80 | BINARY, 200_000_000), b"x" * 3_000_000)
        first, payload = await client.frame()
        assert (first, payload[:2]) == (0x80 | CLOSE, (1009).to_bytes(2, "big"))


async def test_frames_in_the_segment_of_the_handshake_are_not_lost() -> None:
    """A client may send before it has read the answer's last byte, and a proxy may join the two."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake(), frame(TEXT, b"first"), frame(TEXT, b"second"), frame(PING, b"third"))
        assert (await client.answer()).status == 101
        assert await client.message() == "first"
        assert await client.message() == "second"
        assert await client.frame() == (0x80 | PONG, b"third")


async def test_everything_may_come_byte_by_byte() -> None:
    """TCP promises no more than an order."""
    async with run_server() as running, connect(running.port) as client:
        for byte in handshake() + frame(TEXT, b"sl", fin=False) + frame(PING, b"?") + frame(CONT, b"ow"):
            await client.send(bytes([byte]))
        assert (await client.answer()).status == 101
        assert await client.frame() == (0x80 | PONG, b"?")
        assert await client.message() == "slow"


async def test_a_half_closed_connection_is_closed() -> None:
    """Section 7.1.5: the end without a close frame is abnormal (1006), which is never sent."""
    async with run_server() as running, connect_websocket(running.port) as client:
        assert isinstance(client.stream, trio.SocketStream)
        await client.stream.send_eof()
        await client.ended()
        await running.wait_connections(0)


async def test_a_reset_ends_the_connection_and_nothing_else() -> None:
    """A client that crashes disturbs no other."""
    async with run_server() as running, connect_websocket(running.port) as other:
        async with connect_websocket(running.port) as client:
            await client.send(frame(TEXT, b"hello"))
            await client.reset()
        await running.wait_connections(1)
        await other.send(frame(TEXT, b"still here"))
        assert await other.message() == "still here"
