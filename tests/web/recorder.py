"""What the page plays, sample by sample, as it goes to the speakers."""

from __future__ import annotations

import base64
import json
from typing import cast

import attrs
import numpy as np
from playwright.sync_api import Page

from tests.web.stand_in import RATE, Samples

# Gives every sample that goes to the speakers, with its place on the audio clock.
_TAP = """
registerProcessor("tap", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Float32Array(4096);
    this.filled = 0;
    this.port.onmessage = () => this.post();
  }
  post() {
    const samples = this.chunk.slice(0, this.filled);
    this.port.postMessage({ from: currentFrame - this.filled, samples, rest: true });
    this.filled = 0;
  }
  process([[channel]]) {
    this.chunk.set(channel ?? new Float32Array(128), this.filled);
    this.filled += 128;
    if (this.filled === this.chunk.length) {
      this.port.postMessage({ from: currentFrame + 128 - this.filled, samples: this.chunk.slice() });
      this.filled = 0;
    }
    return true;
  }
});
"""
_LISTEN = """
(() => {
  localStorage.setItem("trio-backend", JSON.stringify({ volume: 100 }));
  const Native = window.AudioContext, connect = AudioNode.prototype.connect;
  window.AudioContext = class extends Native { constructor() { super({ sampleRate: RATE }); } };
  const tap = window.tap = { chunks: [], shown: [], stopped: null, context: null, ready: null, late: 0 };
  let due = performance.now() + 20;
  setInterval(() => {
    tap.late = Math.max(tap.late, performance.now() - due);
    due = performance.now() + 20;
  }, 20);
  const listen = async (source) => {
    const { context } = source;
    tap.context = context;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], { type: "text/javascript" })));
    tap.node = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    tap.node.port.onmessage = (event) => tap.chunks.push(event.data);
    connect.call(source, tap.node);
  };
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode && !tap.ready) tap.ready = listen(this);
    return connect.call(this, to, ...rest);
  };
  const stop = AudioBufferSourceNode.prototype.stop;
  AudioBufferSourceNode.prototype.stop = function (when) {
    tap.stopped = this.context.currentTime;
    return stop.call(this, when);
  };
  addEventListener("DOMContentLoaded", () => new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) {
      if (node.className === "sentence now") tap.shown.push([node.textContent, tap.context.currentTime]);
    }
  }).observe(document.querySelector("#log"), { childList: true, subtree: true }));
  tap.recording = async () => {
    tap.node.port.postMessage("all");
    while (!tap.chunks.at(-1)?.rest) await new Promise((done) => setTimeout(done, 5));
    let text = "";
    for (const { samples } of tap.chunks) {
      for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte);
    }
    return { froms: tap.chunks.map((one) => [one.from, one.samples.length]), sound: btoa(text) };
  };
})();
"""


@attrs.frozen
class Recording:
    """What went to the speakers, from sample ``start`` of the audio clock on, at ``rate`` Hz."""

    start: int
    rate: int
    sound: Samples

    def find(self, sent: Samples) -> tuple[int, Samples]:
        """Where on the clock ``sent`` was played, and what was played from there on, as long as it.

        The place is the one where the two are most alike; whether they are is for the caller to judge.
        """
        wanted = self.converted(sent)
        size = len(self.sound) + len(wanted)
        alike = np.fft.irfft(np.fft.rfft(self.sound, size) * np.conj(np.fft.rfft(wanted, size)), size)
        at = int(np.argmax(alike[: len(self.sound)]))
        return self.start + at, self.sound[at : at + len(wanted)]

    def converted(self, sent: Samples) -> Samples:
        """``sent`` at the rate of the clock, by Fourier transform: exact for what is silent at its ends."""
        length = -(-len(sent) * self.rate // RATE)
        # A length that both rates share, with silence around the sound.
        seconds = len(sent) // RATE + 2
        spectrum = np.fft.rfft(np.concatenate([sent, np.zeros(seconds * RATE - len(sent))]))
        result = np.fft.irfft(spectrum, seconds * self.rate) * self.rate / RATE
        return cast(Samples, result[:length].astype(np.float32))

    def silences(self, *, over: float = 0.005) -> list[tuple[float, float]]:
        """When it was silent for more than ``over`` s, between its first sound and its last, and how long."""
        [sounding] = np.nonzero(np.abs(self.sound) > 1e-4)
        steps = np.diff(sounding)
        return [
            ((sounding[at] - sounding[0]) / self.rate, steps[at] / self.rate)
            for at in np.nonzero(steps > over * self.rate)[0]
        ]

    @property
    def bounds(self) -> tuple[float, float]:
        """When on the clock the first sample sounded, and the last, in s."""
        [sounding] = np.nonzero(np.abs(self.sound) > 1e-4)
        return (self.start + sounding[0]) / self.rate, (self.start + sounding[-1]) / self.rate


def difference(played: Samples, wanted: Samples, rate: int) -> float:
    """The largest share of ``wanted`` that ``played`` differs by, of all stretches of 10 ms."""
    length = min(len(played), len(wanted))
    block = rate // 100
    count = length // block
    apart = (played[:length] - wanted[:length])[: count * block].reshape(count, block)
    return float(np.max(np.sqrt(np.mean(apart**2, axis=1))) / np.sqrt(np.mean(wanted**2)))


def record(page: Page, rate: int) -> None:
    """Let the page's sound be recorded, on a sound card of that rate; before the page is opened.

    The recorder's script is no file of the server's: the page's context has to be made with ``bypass_csp``.
    """
    page.add_init_script(_LISTEN.replace("RATE", str(rate)).replace("TAP", json.dumps(_TAP)))


def recording(page: Page, rate: int) -> Recording:
    """All that the page has played."""
    taken = page.evaluate("tap.recording()")
    ends = [start + length for start, length in taken["froms"]]
    assert ends[:-1] == [start for start, _ in taken["froms"][1:]], "the recorder missed something"
    sound = np.frombuffer(base64.b64decode(taken["sound"]), dtype=np.float32)
    return Recording(taken["froms"][0][0], rate, sound)


def shown(page: Page) -> list[tuple[str, float]]:
    """The sentences, and when on the audio clock each was shown."""
    return [(text, when) for text, when in page.evaluate("tap.shown")]


def stopped(page: Page) -> float:
    """When on the audio clock the page decided to be silent."""
    return float(page.evaluate("tap.stopped"))
