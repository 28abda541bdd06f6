/** Runs on the audio thread: takes what the microphone gives, at whatever rate, and posts 16 kHz mono in even chunks. */

const RATE = 16_000;
/** Samples per message: 64 ms. */
const CHUNK = 1024;
/** Half the filter's length, in output samples, and how finely its positions are tabulated. */
const HALF = 8, PHASES = 32;

/**
 * Windowed-sinc resampling (Julius O. Smith, "Digital Audio Resampling"): the low-pass keeps what is above
 * 8 kHz from folding into the voice.
 */
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE;
    const cutoff = Math.min(1, 1 / this.step) * .92;
    this.reach = Math.ceil(HALF * Math.max(1, this.step));
    /** One row of taps per fractional position. @type {Float32Array[]} */
    this.taps = Array.from({ length: PHASES }, (_, phase) => this.#row(phase / PHASES, cutoff));
    this.past = new Float32Array(2 * this.reach);
    this.position = this.reach;
    this.chunk = new Float32Array(CHUNK);
    this.filled = 0;
    this.port.onmessage = () => this.#flush();
  }

  #row(fraction, cutoff) {
    const row = Float32Array.from({ length: 2 * this.reach }, (_, tap) => {
      const x = tap - this.reach + 1 - fraction;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x * cutoff) / (Math.PI * x * cutoff);
      return sinc * (.5 + .5 * Math.cos(Math.PI * Math.max(-1, Math.min(1, x / this.reach))));
    });
    const sum = row.reduce((total, tap) => total + tap, 0);
    return row.map((tap) => tap / sum);
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const [channels] = inputs;
    if (!channels?.length) return true;
    const fresh = channels[0];
    const all = new Float32Array(this.past.length + fresh.length);
    all.set(this.past);
    // Several channels are one voice: their mean.
    for (const channel of channels) for (let i = 0; i < fresh.length; i++) all[this.past.length + i] += channel[i] / channels.length;
    while (this.position + this.reach < all.length) {
      const whole = Math.floor(this.position);
      const row = this.taps[Math.floor((this.position - whole) * PHASES)];
      let sample = 0;
      for (let tap = 0; tap < row.length; tap++) sample += row[tap] * all[whole - this.reach + 1 + tap];
      this.#put(sample);
      this.position += this.step;
    }
    this.past = all.slice(fresh.length);
    this.position -= fresh.length;
    return true;
  }

  #put(sample) {
    this.chunk[this.filled++] = Math.max(-1, Math.min(1, sample));
    if (this.filled === CHUNK) this.#post();
  }

  #post() {
    const samples = this.chunk.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(samples, [samples.buffer]);
  }

  /** The last words before the button was let go; null says that there are no more. */
  #flush() {
    if (this.filled) this.#post();
    this.port.postMessage(null);
  }
}

registerProcessor("recorder", Recorder);
