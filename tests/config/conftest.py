"""A folder with a configuration, written by the test that needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[[Mapping[str, str]], Path]

BASE = """\
character_config:
  conf_name: Ann
  conf_uid: ann_001
  persona_prompt: You are Ann.
"""

MODELS = """\
[{"name": "ann", "url": "/live2d-models/ann/ann.model3.json", "emotionMap": {"Joy": 3, "anger": "angry"}}]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, by their paths, with a model dictionary beside them; gives the path of ``conf.yaml``."""

    def write_all(files: Mapping[str, str]) -> Path:
        for name, text in {"model_dict.json": MODELS, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return tmp_path / "conf.yaml"

    return write_all
