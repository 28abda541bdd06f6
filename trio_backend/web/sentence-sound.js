/** The sound of one sentence, which may still be coming: set on the clock to the sample, and known for what it plays. */

import { Resampler } from "./resampler.js";

/** For how long one loudness stands, in s. */
const SLICE = .02;
/** Silence is no reason to open the mouth: below this nothing counts as a voice's loudest. */
const QUIET = .02;

/** @typedef {{sentence: number, rate: number, last: boolean, samples: Float32Array<ArrayBuffer>}} Frame */

/**
 * What a binary frame of the wire holds; null if it is none. A header of 16 bytes (sentence, piece, rate, flags),
 * then 16-bit mono samples, all little-endian.
 * @param {ArrayBuffer} data
 * @returns {Frame|null}
 */
export function readFrame(data) {
  if (data.byteLength < 16) return null;
  const view = new DataView(data);
  const rate = view.getUint32(8, true);
  // What an AudioBuffer may hold in every browser.
  if (rate < 8000 || rate > 96_000) return null;
  const samples = new Float32Array((data.byteLength - 16) >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(16 + 2 * i, true) / 32768;
  return { sentence: view.getUint32(0, true), rate, last: Boolean(view.getUint16(12, true) & 1), samples };
}

/**
 * All positions are whole samples of the clock's rate: pieces that are set at them meet without a gap, and without
 * the browser's touching them. Plain AudioBufferSourceNodes: browsers give an AudioWorklet only to pages from
 * https and localhost, and a kiosk in a local network is neither.
 */
export class SentenceSound {
  /** @param {number} rate of the clock, in Hz */
  constructor(rate) {
    this.rate = rate;
    /** Nothing more comes. */
    this.complete = false;
    /** Samples that are here. */
    this.length = 0;
    /** When how much was here, for the jitter buffer. @type {import("./jitter-buffer.js").Arrival[]} */
    this.arrivals = [];
    /** Pieces that are not on the clock yet. @type {AudioBuffer[]} */
    this.pieces = [];
    /** What is on the clock: from when on, and how much in one go. A second one follows where sound came too late. @type {{from: number, length: number}[]} */
    this.runs = [];
    /** @type {AudioBufferSourceNode[]} */
    this.nodes = [];
    /** Loudness of each slice, and how long that is. */
    this.volumes = /** @type {number[]} */ ([]);
    this.slice = Math.round(rate * SLICE);
    /** The loudest that `volumes` are measured against: 1, or that of the voice so far. */
    this.loudest = 1;
    this.resampler = /** @type {Resampler|null} */ (null);
    /** Of the slice that is not full yet. */
    this.sum = this.count = 0;
  }

  /** All of it at once. @param {AudioBuffer} buffer at the clock's rate @param {number[]} volumes 0..1 @param {number} slice ms of each */
  whole(buffer, volumes, slice) {
    this.pieces.push(buffer);
    this.length = buffer.length;
    this.volumes = volumes;
    this.slice = this.rate * slice / 1000;
    this.complete = true;
  }

  /** One more piece. @param {Frame} frame @param {number} now on the wall clock, in s @param {number} loudest of this voice so far */
  feed({ samples, rate, last }, now, loudest) {
    this.resampler ??= new Resampler(rate, this.rate);
    const fresh = this.resampler.feed(samples, last);
    this.loudest = this.arrivals.length ? this.loudest : Math.max(loudest, QUIET);
    for (const sample of fresh) {
      this.sum += sample * sample;
      if (++this.count >= this.slice) this.#measure();
    }
    if (fresh.length) {
      const buffer = new AudioBuffer({ length: fresh.length, sampleRate: this.rate });
      buffer.copyToChannel(fresh, 0);
      this.pieces.push(buffer);
      this.length += fresh.length;
    }
    if (samples.length) this.arrivals.push({ at: now, seconds: this.length / this.rate });
    this.complete ||= last;
  }

  #measure() {
    const volume = Math.sqrt(this.sum / this.count);
    this.loudest = Math.max(this.loudest, volume);
    this.volumes.push(volume);
    this.sum = this.count = 0;
  }

  /** Where what is on the clock ends. */
  get end() {
    const run = this.runs[this.runs.length - 1];
    return run ? run.from + run.length : 0;
  }

  /** Nothing waits to be put on the clock, nor will anything come. */
  get settled() {
    return this.complete && !this.pieces.length;
  }

  /** Go on from this sample of the clock, after silence. @param {number} from */
  begin(from) {
    this.runs.push({ from, length: 0 });
  }

  /** Put what is here on the clock, right behind what is there. @param {AudioNode|null} out null keeps the time only @param {() => void} ended */
  set(out, ended) {
    const run = this.runs[this.runs.length - 1];
    for (const buffer of this.pieces.splice(0)) {
      if (out) {
        const node = new AudioBufferSourceNode(out.context, { buffer });
        node.connect(out);
        // Timers of hidden pages are late; the sound's own end is not.
        node.onended = () => {
          this.nodes = this.nodes.filter((one) => one !== node);
          ended();
        };
        node.start((run.from + run.length) / this.rate);
        this.nodes.push(node);
      }
      run.length += buffer.length;
    }
  }

  /** Let go of it; what sounds ends at `time` of the clock, in s. */
  stop(time) {
    for (const node of this.nodes) {
      node.onended = null;
      node.stop(time);
    }
    this.nodes = [];
    this.pieces = [];
  }

  /** How many of its samples have been played at `now` on the clock. */
  played(now) {
    return this.runs.reduce((sum, { from, length }) => sum + Math.max(0, Math.min(length, now - from)), 0);
  }

  /** How loud it is at `now` on the clock, 0..1; 0 in a pause. */
  level(now) {
    const run = this.runs[this.runs.length - 1];
    if (!run || now < run.from || now >= run.from + run.length) return 0;
    const at = this.played(now) / this.slice, before = Math.floor(at);
    const [one, next] = [this.volumes[before] ?? 0, this.volumes[before + 1] ?? 0];
    return Math.min(1, (one + (next - one) * (at - before)) / this.loudest);
  }
}
