"""Finding 17: files that begin with a dot are served from no folder."""

from __future__ import annotations

import pytest

from tests.server.raw_client import connect
from tests.server.requests import ask
from tests.server.running import pages, run_server
from trio_backend.server import ServerOptions
from trio_backend.server.http import Folders, http_app

FOLDERS = {
    "/live2d-models": "live2d_models",
    "/bg": "backgrounds",
    "/avatars": "avatars",
    "/cache": "cache",
    "": "frontend",
}
HIDDEN = [
    ".env",
    ".git/config",
    ".svg",
    "sub/.htpasswd",
    "sub/.hidden/a.svg",
    ".well-known/x.txt",
    ".hidden/index.html",
]


@pytest.fixture
def littered(folders: Folders) -> Folders:
    """Folders with what people forget in them."""
    for name in FOLDERS.values():
        for path in (*HIDDEN, "sub/good.svg"):
            file = getattr(folders, name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("secret")
    return folders


def spellings(path: str) -> list[str]:
    """``path`` as it is, and in ways around a check of the first letter."""
    prefixes = ["", "./", "sub/../", "sub/%2e%2e/", "sub%2f..%2f"]
    return [f"{path.replace('.', '%2e')}", f"{path}/", *(prefix + path for prefix in prefixes)]


@pytest.mark.parametrize("token", ["", "secret"])
@pytest.mark.parametrize("mount", FOLDERS)
async def test_no_dot_file_is_served(littered: Folders, mount: str, token: str) -> None:
    """In no spelling, with the token or without; the file beside it is."""
    options = ServerOptions(access_token=token)
    async with run_server(options, app=http_app(pages(littered))) as running, connect(running.port) as client:
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        assert (await ask(client, f"{mount}/sub/good.svg", fields=bearer)).body == b"secret"
        for path in HIDDEN:
            for spelling in spellings(path):
                answer = await ask(client, f"{mount}/{spelling}", fields=bearer)
                assert answer.status in (307, 404), (spelling, answer)
                assert b"secret" not in answer.body
