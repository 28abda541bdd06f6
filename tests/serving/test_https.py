"""`serve --https` with real clients: a certificate that is trusted or is not, kept from start to start."""

from __future__ import annotations

import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
import trio_websocket

from tests.client import Client
from tests.server_process import PROGRAM, TIMEOUT, ServerProcess, open_process
from tests.serving.servers import SocketWire
from tests.serving.test_start_report import BASE, write
from tests.test_cli import run

TALKING = BASE.replace("scripted_llm", "echo_llm").replace("{manner: cheerful}", "{}")


@asynccontextmanager
async def open_https_server(folder: Path, *options: str) -> AsyncIterator[ServerProcess]:
    """``serve --https`` on all addresses of this machine; what it keeps is in ``folder``."""
    command = [*PROGRAM, "serve", "--https", "--host", "0.0.0.0", "--port", "0", *options, "conf.yaml"]
    async with open_process(command, folder, {"XDG_STATE_HOME": str(folder / "state")}) as server:
        yield server


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "state" / "trio-backend" / "https").iterdir()}


def causes(error: BaseException | None) -> str:
    """The texts of an error and of what led to it."""
    return f"{error}; {causes(error.__cause__ or error.__context__)}" if error else ""


def trusting(folder: Path) -> ssl.SSLContext:
    """As a device that was told to trust the authority."""
    return ssl.create_default_context(cafile=folder / "state" / "trio-backend" / "https" / "authority.crt")


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_STATE_HOME")
async def test_a_device_that_trusts_it_talks_and_another_does_not(tmp_path: Path) -> None:
    """The page and a conversation, without a warning; the log says how to trust it, and what browsers say."""
    write(tmp_path, TALKING)
    async with open_https_server(tmp_path) as server:
        assert server.address.startswith("https://localhost:")
        context, port = trusting(tmp_path), int(server.address.rpartition(":")[2])
        async with httpx2.AsyncClient(verify=context) as client:
            assert (await client.get(f"{server.address}/")).status_code == 200
            assert (await client.get(f"https://127.0.0.1:{port}/healthz")).text == "ok\n"
        async with httpx2.AsyncClient() as stranger:
            with pytest.raises(httpx2.ConnectError) as refused:
                await stranger.get(f"{server.address}/")
            assert "CERTIFICATE_VERIFY_FAILED" in causes(refused.value)
            # The same address without TLS leads there.
            answer = await stranger.get(f"http://localhost:{port}/page/?a=b")
            assert (answer.status_code, answer.headers["location"]) == (307, f"{server.address}/page/?a=b")
        address = f"wss://localhost:{port}/client-ws"
        async with trio_websocket.open_websocket_url(address, ssl_context=context) as websocket:
            talking = Client(SocketWire(websocket))
            await talking.until("control", text="start-mic")
            turn = await talking.turn("Hello there.")
            assert any("Hello there." in str(message.get("display_text")) for message in turn)
        await server.wait_logged("not private: choose Advanced, then Continue")
        await server.wait_logged("authority.crt")
        before = files(tmp_path)
        server.process.send_signal(signal.SIGINT)
        with trio.fail_after(TIMEOUT):
            assert await server.process.wait() == 0
    async with open_https_server(tmp_path) as server:
        assert files(tmp_path) == before
        assert "https: a new" not in "".join(server.log)


def test_what_it_cannot_use_ends_the_start_in_words(tmp_path: Path) -> None:
    """Before anything is served; and a certificate of one's own goes before."""
    write(tmp_path, TALKING)
    folder = tmp_path / "state" / "trio-backend" / "https"
    folder.mkdir(parents=True)
    (folder / "authority-key.pem").write_text("broken")
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    served = run("serve", "--https", "--port", "0", folder=tmp_path, **state)
    assert served.returncode == 1
    assert "authority-key.pem: cannot be used" in served.stderr
    assert "Traceback" not in served.stderr
    (tmp_path / "own.pem").write_text("broken, too")
    own = "{tls_certificate: own.pem, tls_key: own.pem, config"
    (tmp_path / "conf.yaml").write_text(TALKING.replace("{config", own))
    served = run("serve", "--https", "--port", "0", folder=tmp_path, **state)
    assert served.returncode == 1
    assert f"cannot use the TLS certificate {tmp_path / 'own.pem'}" in served.stderr
