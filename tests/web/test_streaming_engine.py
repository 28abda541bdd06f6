"""From a speech engine that streams, over the real server, to the page's speakers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser
from tests.web.recorder import Recording, record, recording

NOTE = 400  # Hz, of `tone_tts`
WHOLE = "tone_tts: {seconds_per_character: 0.025}"
WORDS = "The tide is high today and it brings me a button from the old harbour in the bay."


@pytest.fixture
def streaming(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PageServer]:
    """A server whose engine takes ``delay`` s for each 0.1 s of sound."""
    page_server = build_page_server(tmp_path / "server")
    conf = page_server.folder / "conf.yaml"
    settings = f"tone_tts: {{seconds_per_character: 0.06, chunk: 0.1, delay: {request.param}}}"
    text = conf.read_text("utf-8")
    assert WHOLE in text
    conf.write_text(text.replace(WHOLE, settings), "utf-8")
    page_server.start()
    yield page_server
    page_server.kill()


@pytest.mark.parametrize("streaming", [0.03, 0.111], indirect=True, ids=["fast", "slower than speech"])
def test_what_the_engine_makes_is_heard_as_one_note(browser: Browser, streaming: PageServer) -> None:
    """It comes as bytes, and not one of its periods is missing, doubled or torn apart at a seam."""
    page = browser.new_context(bypass_csp=True).new_page()
    record(page, 48_000)
    user = PageUser(page)
    user.open(streaming.url)
    page.evaluate("tap.ready")
    user.type(WORDS)
    user.until(lambda: bool(user.says("frontend-playback-complete")), within=30)
    expect(user.find(".ai .sentence")).to_have_text(WORDS)

    heard = recording(page, 48_000)

    start, end = heard.bounds
    assert user.bytes_received > 2 * 16_000 * 0.06 * len(WORDS)
    assert end - start == pytest.approx(0.06 * len(WORDS), abs=0.01)
    assert unlike_a_note(heard) < 0.02
    assert user.wrong == []
    page.context.close()


def unlike_a_note(heard: Recording) -> float:
    """How much of what was heard is no single note of one loudness and one phase, 0..1; its ends apart."""
    [sounding] = np.nonzero(np.abs(heard.sound) > 1e-4)
    sound = heard.sound[sounding[0] + 1000 : sounding[-1] - 1000].astype(np.float64)
    turns = 2 * np.pi * NOTE * np.arange(len(sound)) / heard.rate
    waves = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    share, *_ = np.linalg.lstsq(waves, sound, rcond=None)
    return float(np.std(sound - waves @ share) / np.std(sound))
