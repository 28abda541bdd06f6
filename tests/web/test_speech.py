"""Talking with the page: speech from a file in place of a person, and the embedded ASR."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from tests.web.conftest import SOUND_FROM_THE_START, open_browser
from tests.web.page_server import build_page_server
from tests.web.page_user import LONG, PageUser

pytest.importorskip("pocketsphinx", reason="the embedded recogniser is not installed")

PHRASE = "tell me a story"
ASR = f"""\
  asr_config: {{asr_model: pocketsphinx_asr, pocketsphinx_asr: {{phrases: [{PHRASE}, turn on the light]}}}}
"""
BEFORE, AFTER = 1.0, 4.0  # seconds of silence around the phrase, which the browser says again and again


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A sound file in which the phrase is spoken."""
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("there is no espeak-ng on this machine")
    spoken, whole = tmp_path / "spoken.wav", tmp_path / "voice.wav"
    subprocess.run([program, "-v", "en-us", "-s", "150", "-w", str(spoken), PHRASE], check=True, timeout=20)
    with wave.open(str(spoken)) as source, wave.open(str(whole), "wb") as target:
        rate = source.getframerate()
        target.setparams((1, 2, rate, 0, "NONE", ""))
        target.writeframes(bytes(2 * int(BEFORE * rate)))
        target.writeframes(source.readframes(source.getnframes()))
        target.writeframes(bytes(2 * int(AFTER * rate)))
    return whole


@pytest.fixture
def speaker(playwright: Playwright, tmp_path: Path, voice: Path) -> Iterator[PageUser]:
    page_server = build_page_server(tmp_path / "server", character=ASR)
    page_server.start()
    try:
        microphone = f"--use-file-for-fake-audio-capture={voice}"
        with open_browser(playwright, SOUND_FROM_THE_START, microphone) as browser:
            user = PageUser(browser.new_page())
            user.open(page_server.url)
            yield user
            assert user.wrong == []
    finally:
        page_server.kill()


def test_what_is_said_is_heard_answered_and_cuts_in(speaker: PageUser) -> None:
    """Hands-free: the words show, a reply comes; said during a reply, they end it where it was heard."""
    speaker.page.click("#mic")
    expect(speaker.find(".human .words").first).to_have_text(PHRASE, timeout=20_000)
    expect(speaker.find(".ai .sentence").first).to_have_text(PHRASE)
    # The server takes bytes: as JSON it would be ten times as much.
    assert speaker.bytes_sent > 32_000
    assert len(speaker.says("raw-audio-data")) < 5

    speaker.page.wait_for_selector("#app[data-turn=idle]")
    speaker.sent.clear()
    said = speaker.find(".human .words").count()
    speaker.type(" ".join([LONG] * 6))
    speaker.until(lambda: bool(speaker.says("interrupt-signal")), within=20)

    heard = speaker.says("interrupt-signal")[-1]["text"]
    assert heard
    assert " ".join([LONG] * 6).startswith(heard)
    expect(speaker.find(".ai .cut").last).to_be_visible()
    expect(speaker.find(".human .words").nth(said + 1)).to_have_text(PHRASE, timeout=20_000)
