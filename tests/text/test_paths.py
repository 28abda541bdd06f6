"""What is left of the paths in an error."""

from __future__ import annotations

import pytest

from trio_backend.text.paths import without_folders


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/srv/trio/conf.yaml:12: voice: no such voice", "conf.yaml:12: voice: no such voice"),
        ("/srv/conf.yaml: a\n/srv/characters/iris.yaml: b", "conf.yaml: a\niris.yaml: b"),
        (
            "[Errno 2] No such file: '/home/me/m.onnx'",
            "[Errno 2] No such file: 'm.onnx'",
        ),
        ('"/home/me/My Models/m.onnx" is empty', '"m.onnx" is empty'),
        ("model=/opt/models/m.onnx is empty (see /var/log/x.log)", "model=m.onnx is empty (see x.log)"),
        ("在/home/me/m.onnx 没有模型", "在m.onnx 没有模型"),
        ("cannot read file:///home/me/m.onnx", "cannot read m.onnx"),
        ("~/models/m.onnx is missing", "m.onnx is missing"),
        (r"C:\Users\me\models\m.onnx is missing", "m.onnx is missing"),
        (r"open 'C:\\Users\\Jane Doe\\m.onnx'", "open 'm.onnx'"),
        (r"\\server\share\m.onnx is missing", "m.onnx is missing"),
    ],
)
def test_of_a_path_only_the_name_is_left(text: str, left: str) -> None:
    """Wherever it stands, and however its system writes it."""
    assert without_folders(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "nothing listens at http://localhost:11434/v1/chat/completions; start Ollama",
        "https://models.example/a/b/c answered 404",
        "ws://127.0.0.1:12393/client-ws is refused",
        "/v1/chat/completions answered 404",
        "connect to /client-ws",
        "characters/iris.yaml:3: no such engine",
        "either/or, 3/4 and 10 / 2",
        "'iris.yaml': there is no such character file",
        "espeak-ng has no voice 'en-gb+m3'",
    ],
)
def test_what_is_no_path_of_this_machine_stays(text: str) -> None:
    """Addresses, relative paths and plain words."""
    assert without_folders(text) == text


@pytest.mark.parametrize("text", ["/" * 50_000, "/a" * 50_000, "'/a" * 30_000, "'" + "/a b" * 30_000])
def test_it_takes_no_longer_for_strange_texts(text: str) -> None:
    """A pattern that went back and forth would not end within the suite's limit."""
    without_folders(text)
