"""Folders of files to be served."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_backend.server.http import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A folder for each kind of static file, with a file in it, and a secret file beside them."""
    found = Folders(
        *(tmp_path / name for name in ("live2d-models", "backgrounds", "avatars", "cache", "frontend"))
    )
    files = {
        found.live2d_models / "mao" / "mao.model3.json": b"{}",
        found.live2d_models / "mao" / "index.html": b"<script>alert(1)</script>",
        found.backgrounds / "sea.jpg": b"0123456789",
        found.avatars / "mao.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        found.avatars / "notes.txt": b"private",
        found.cache / "1.wav": b"RIFF",
        tmp_path / "secret.txt": b"secret",
    }
    assert found.frontend is not None
    files[found.frontend / "index.html"] = b"<h1>front end</h1>"
    files[found.frontend / "app.js"] = b"run()"
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (found.backgrounds / "escape.jpg").symlink_to(tmp_path / "secret.txt")
    (found.backgrounds / "out").symlink_to(tmp_path)
    return found
