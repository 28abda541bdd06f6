"""Downloads of libraries in child processes: told step by step to who opens the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trio_backend.engines.loading import DownloadStep, download_listener
from trio_backend.engines.worker import WorkerJob, open_worker

pytest.importorskip("tqdm")

DOWNLOADING = """
import sys
from trio_backend.engines.child_process import work

def load(settings):
    from tqdm.auto import tqdm
    with tqdm(total=1000, desc="small.bin: ", unit="iB", disable=settings["disabled"]) as bar:
        for _ in range(10):
            bar.update(100)
    return lambda request: "done"

if __name__ == "__main__":
    work(load)
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> WorkerJob:
    """A process whose library downloads a file with a bar, which some disable."""
    (tmp_path / "downloading_process.py").write_text(DOWNLOADING, "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    return WorkerJob("downloading_process", "downloading", {"disabled": request.param})


@pytest.mark.parametrize("job", [False, True], indirect=True, ids=["shown", "disabled"])
async def test_each_step_is_told(job: WorkerJob, capfd: pytest.CaptureFixture[str]) -> None:
    """The first and the last at least, and nothing goes to the terminal."""
    steps: list[DownloadStep] = []
    token = download_listener.set(steps.append)
    try:
        async with open_worker(job) as worker:
            assert await worker.ask(b"?") == "done"
    finally:
        download_listener.reset(token)
    assert steps[0] == DownloadStep("small.bin", 100, 1000)
    assert steps[-1] == DownloadStep("small.bin", 1000, 1000)
    assert "small.bin" not in capfd.readouterr().err


@pytest.mark.parametrize("job", [False], indirect=True)
async def test_a_library_is_left_alone_where_nobody_listens(
    job: WorkerJob, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its bar is its own."""
    async with open_worker(job) as worker:
        assert await worker.ask(b"?") == "done"
    assert "small.bin" in capfd.readouterr().err


def test_a_step_comes_out_as_it_went_in() -> None:
    """And what is none is refused."""
    step = DownloadStep("größe.bin", 2**40, 0)
    assert DownloadStep.decode(step.encode()) == step
    with pytest.raises(ValueError, match="no step"):
        DownloadStep.decode(b"12345")


def test_nothing_heavy_is_imported_for_it() -> None:
    """A child process is there after 20 ms; tqdm alone would take longer."""
    code = "import sys, trio_backend.engines.loading, trio_backend.installation; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"tqdm", "trio", "attrs", "importlib.metadata", "shutil"} & set(loaded.split())
