"""Plain HTTP, written by hand."""

from __future__ import annotations

from tests.server.raw_client import Answer, RawClient, connect
from tests.server.running import pages, run_server
from trio_backend.server.http import Folders, http_app


def request(path: str, *, method: str = "GET", fields: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode("latin-1")


async def ask(client: RawClient, path: str, *, method: str = "GET", fields: str = "") -> Answer:
    await client.send(request(path, method=method, fields=fields))
    return await client.answer(body=method != "HEAD")


async def fetch(folders: Folders, path: str, *, method: str = "GET", fields: str = "") -> Answer:
    """One request to a server with these folders."""
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as client:
        return await ask(client, path, method=method, fields=fields)
