"""benchmarks/engines.py: every adapter of a service is measured, and one is, from end to end."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ENGINES = Path(__file__).parents[1] / "benchmarks" / "engines.py"


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    """What the script defines."""
    pytest.importorskip("edge_tts")
    return runpy.run_path(str(ENGINES))


def test_every_adapter_of_a_service_is_measured(benchmark: dict[str, Any]) -> None:
    """What it adds, and how soon it has closed its connection: a new one needs a `Case`."""
    assert list(benchmark["unmeasured"]()) == []


@pytest.mark.parametrize("name", ["groq_llm", "deepgram_asr, flux", "x_tts"])
async def test_one_of_each_kind_is_measured(
    benchmark: dict[str, Any], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table says on which machine, and has a row with four figures."""
    file = tmp_path / "engines.md"
    await benchmark["main"]([name], 2, file)
    text = file.read_text("utf-8")
    assert re.search(r"2 sentences and 2 cancels each; \w+ \w+, \d+ processors, \d+ GiB, Python 3", text)
    assert re.search(rf"\| `{name}` \|( \d+\.\d\d \|){{4}}\n", text)
    assert f"| `{name}` |" in capsys.readouterr().out
