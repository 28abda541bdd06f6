"""When a sentence starts of which sound is still to come: the page's own module, on made-up clocks."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.web.page_server import PageServer

PATIENCE = 5  # seconds
# Three sentences of a voice. Of each: when it started after its first piece, how late its latest piece was
# then, and the earliest start at which none would have been late.
_PLAY = """
async ({ rate, length, piece, jitter, seed }) => {
  const { JitterBuffer } = await import("/jitter-buffer.js");
  const buffer = new JitterBuffer(), text = "x".repeat(Math.round(length * 15));
  let dice = seed, now = 100;
  const random = () => (dice = (dice * 16807) % 2147483647) / 2147483647;
  const sentence = () => {
    const coming = [];
    for (let seconds = 0, size = Math.min(.3, piece); seconds < length; size = piece) {
      seconds = Math.min(length, seconds + size);
      const before = coming.at(-1)?.at ?? now;
      coming.push({ at: Math.max(before, now + seconds / rate + jitter * random()), seconds });
    }
    const needed = coming.map(({ at }, i) => at - (coming[i - 1]?.seconds ?? 0));
    const arrivals = [];
    let start = null;
    for (const [i, arrival] of coming.entries()) {
      arrivals.push(arrival);
      buffer.note(arrivals);
      if (start !== null) continue;
      const whole = i === coming.length - 1;
      const due = arrival.at + (whole ? 0 : buffer.wait(arrivals, 0, text, arrival.at));
      if (whole || due <= coming[i + 1].at) start = due;
    }
    buffer.learn(text, length);
    now = Math.max(start + length, coming.at(-1).at) + 1;
    const first = coming[0].at, least = Math.max(...needed);
    return { start: start - first, late: least - start, least: Math.max(0, least - first) };
  };
  return [sentence(), sentence(), sentence()];
}
"""


@pytest.fixture(scope="module")
def play(browser: Browser, page_server: PageServer) -> Any:
    page = browser.new_page()
    page.goto(page_server.url)
    yield lambda **voice: page.evaluate(_PLAY, voice)
    page.close()


@pytest.mark.parametrize("jitter", [0, 0.08])
@pytest.mark.parametrize("piece", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("length", [2, 5, 12])
@pytest.mark.parametrize("rate", [0.7, 0.9, 0.97])
def test_a_voice_slower_than_speech_starts_as_early_as_it_can(
    play: Any, rate: float, length: float, piece: float, jitter: float
) -> None:
    """Known from its first sentence, it is never late again, and waits little longer than it must."""
    _first, *known = play(rate=rate, length=length, piece=piece, jitter=jitter, seed=7)

    for sentence in known:
        assert sentence["late"] <= 0 or sentence["start"] >= PATIENCE
        assert sentence["start"] - sentence["least"] < 0.3 + 0.15 * length


@pytest.mark.parametrize("length", [2, 5, 12])
@pytest.mark.parametrize("rate", [2, 5, 40])
def test_a_voice_faster_than_speech_never_waits(play: Any, rate: float, length: float) -> None:
    """It starts with its first piece, the first time and each time after."""
    for sentence in play(rate=rate, length=length, piece=0.4, jitter=0.02, seed=7):
        assert sentence["start"] == 0


def test_nobody_waits_longer_than_five_seconds(play: Any) -> None:
    """A voice at a tenth of real time: then pauses are the lesser evil."""
    for sentence in play(rate=0.1, length=20, piece=0.5, jitter=0, seed=7)[1:]:
        assert sentence["start"] == pytest.approx(PATIENCE)
