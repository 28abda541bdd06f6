/** Plays the sentences of a reply one after another without a gap, and knows what has been heard. */

import { JitterBuffer } from "./jitter-buffer.js";
import { SentenceSound } from "./sentence-sound.js";

/**
 * A sentence to play. `audio` is a WAV file in base64, or null where there is nothing to hear, or where the sound
 * comes in pieces (`stream`): then `feed` gives it. `volumes` has one loudness 0..1 per `slice` ms of a WAV file.
 * @typedef {object} Line
 * @property {string} text
 * @property {string|null} audio
 * @property {boolean} [stream]
 * @property {number[]} volumes
 * @property {number} slice
 * @property {boolean} [silent] it comes without sound; set by `add`
 * @property {unknown} [extra] whatever the caller wants back at the start
 */

/**
 * A sentence and its sound; `live` if the sound card plays it, else it goes on in silence and its own time.
 * `set` is on the clock, and its start is still to come.
 * @typedef {{line: Line, sound: SentenceSound, live: boolean, state: "waiting"|"set"|"playing"|"done"}} Queued
 */

/** How far ahead sound is given to the sound card, in s: it is set in the same task, and the card takes 10 ms in one go. */
const LEAD = .02;
/** The same for sound that follows on sound that plays, beyond what the card takes in one go. Later, it would start late and run into the next. */
const HURRY = .004;
/** How long it takes to fall silent, in s: cut from one sample to the next, a voice clicks. */
const FADE = .006;
/** No sound card is further behind its clock than this, in s, whatever the browser says. */
const MOST_LATENCY = .5;

const wall = () => performance.now() / 1000;

/** Emits "start" and "end" (detail: the line), "idle" when the last one has ended, and "blocked". */
export class Playback extends EventTarget {
  constructor() {
    super();
    /** @type {AudioContext|null} */ this.sound = null;
    /** @type {GainNode|null} */ this.gain = null;
    /** What is being said goes through this, so that it can fade. @type {GainNode|null} */ this.out = null;
    /** @type {Queued[]} */ this.queue = [];
    this.jitter = new JitterBuffer();
    /** The loudest that a voice which came in pieces has been of late. */
    this.loudest = 0;
    this.loudness = 1;
    this.timer = 0;
    /** When to look again, in s from now. */
    this.due = Infinity;
    this.arrange = () => this.#arrange();
  }

  /** True while something is being played or waits to be. */
  get busy() {
    return this.queue.some((one) => one.state !== "done");
  }

  /** How loud it plays, 0..1. The mouth moves all the same. */
  set volume(volume) {
    this.loudness = volume;
    if (this.gain && this.sound) this.gain.gain.setTargetAtTime(volume, this.sound.currentTime, .02);
  }

  /** To be called in a click or key press: browsers allow sound only from there. */
  async unlock() {
    const sound = this.#open();
    if (sound.state === "suspended") await sound.resume();
    return sound.state === "running";
  }

  /** Ready the sound card ahead of the first sentence; where the browser wants a click first, that comes later. */
  warm() {
    this.#open();
  }

  /** Play this after all that came before it. @param {Line} line */
  add(line) {
    line.silent = line.audio === null && !line.stream;
    // One shout must not keep the mouth small for ever.
    if (line.stream) this.loudest *= .9;
    const one = { line, sound: new SentenceSound(this.#open().sampleRate), live: false, state: /** @type {Queued["state"]} */ ("waiting") };
    this.queue.push(one);
    if (line.audio !== null) this.#decode(one, line.audio);
    else if (line.silent) one.sound.complete = true;
    this.#arrange();
  }

  /** A piece of a line's sound has come. @param {Line} line @param {import("./sentence-sound.js").Frame} frame */
  feed(line, frame) {
    const one = this.queue.find((queued) => queued.line === line);
    if (!one || one.sound.complete) return;
    const { sound } = one;
    sound.feed(frame, wall(), this.loudest);
    this.loudest = sound.loudest;
    if (frame.samples.length) this.jitter.note(sound.arrivals);
    if (sound.complete) this.jitter.learn(line.text, sound.length / sound.rate);
    this.#arrange();
  }

  /** Nothing more will come of any sentence: a turn may end in the middle of one. */
  close() {
    for (const { line, sound } of this.queue) if (line.stream) sound.complete = true;
    this.#arrange();
  }

  /** Be silent at once and forget the rest. Returns what had been played of this turn; see `heard`. */
  stop() {
    // Silence first: to find the words takes a browser up to 20 ms when it does so for the first time.
    const now = this.sound?.currentTime ?? 0;
    if (this.out) {
      this.out.gain.setValueAtTime(1, now);
      this.out.gain.linearRampToValueAtTime(0, now + FADE);
      this.out = null;
    }
    for (const { sound } of this.queue) sound.stop(now + FADE);
    const heard = this.heard();
    this.queue = [];
    clearTimeout(this.timer);
    return heard;
  }

  /** Forget what was heard: a new turn begins. What still plays goes on. */
  forget() {
    this.queue = this.queue.filter((one) => one.state !== "done");
  }

  /**
   * What has been played of this turn: all finished sentences, and of the current one as much as was heard.
   * `cut` is the current line and what of it was heard, or null between sentences; `whole` are the sentences before
   * it. Silent thoughts do not count.
   * @returns {{text: string, cut: {line: Line, text: string}|null, whole: string[]}}
   */
  heard() {
    let text = "", cut = null;
    const whole = [];
    for (const one of this.queue) {
      if (one.state === "waiting" || one.state === "set" || isThought(one.line)) continue;
      const share = one.state === "done" ? 1 : this.#share(one);
      const part = partOf(one.line.text, share);
      if (share < 1) cut = { line: one.line, text: part };
      else whole.push(part);
      text = join(text, part);
    }
    return { text, cut, whole };
  }

  /** How loud the voice is at this moment, 0..1, whatever the volume is set to. */
  level() {
    const one = this.queue.find(({ state, sound }) => state === "playing" && sound.length > 0);
    return one ? one.sound.level(this.#heardNow(one)) : 0;
  }

  /** How much of a sentence has been played, 0..1. While its sound still comes, its text says how long it will be. */
  #share({ line, sound, live }) {
    const whole = sound.complete ? sound.length : Math.max(this.jitter.expected(line.text) * sound.rate, sound.length * 1.02);
    return whole ? sound.played(this.#now(live)) / whole : Number(sound.complete);
  }

  #open() {
    if (!this.sound) {
      this.sound = new AudioContext();
      this.gain = this.sound.createGain();
      this.gain.gain.value = this.loudness;
      this.gain.connect(this.sound.destination);
      this.sound.onstatechange = this.arrange;
    }
    return this.sound;
  }

  async #decode({ line, sound }, base64) {
    try {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      sound.whole(await this.#open().decodeAudioData(bytes.buffer), line.volumes, line.slice);
    } catch (error) {
      // Sound that cannot be read is no reason to lose the sentence.
      console.warn("a sentence's sound could not be read", error);
      sound.complete = true;
    }
    line.audio = null;
    this.#arrange();
  }

  /** The clock, in samples: the sound card's, or that on the wall. What is set on it at a sample plays at that sample. */
  #now(live) {
    const { currentTime, sampleRate } = this.#open();
    return Math.round((live ? currentTime : wall()) * sampleRate);
  }

  /** What leaves the speaker now was due on the clock a moment ago: a wireless one may be 0.2 s behind. */
  #heardNow({ live }) {
    const { outputLatency, sampleRate } = this.#open();
    return this.#now(live) - (live ? Math.min(outputLatency || 0, MOST_LATENCY) * sampleRate : 0);
  }

  /** Begin and end what is due, give the next sentence to the sound card, and come back when something is due again. */
  #arrange() {
    clearTimeout(this.timer);
    this.due = Infinity;
    const was = this.busy;
    for (const [at, one] of this.queue.entries()) {
      if (one.state !== "done" && !this.#advance(one, this.queue[at - 1])) break;
    }
    if (this.due < Infinity) this.timer = setTimeout(this.arrange, Math.max(4, this.due * 1000));
    if (was && !this.busy) this.dispatchEvent(new Event("idle"));
  }

  /** Move one sentence on; true if the one after it may be looked at. */
  #advance(one, before) {
    const { sound } = one;
    if (one.state === "waiting") {
      if (!this.#ready(one, 0)) return false;
      this.#begin(one, before);
    } else {
      this.#goOn(one);
    }
    const now = this.#heardNow(one);
    if (one.state === "set" && now >= sound.runs[0].from) {
      one.state = "playing";
      this.dispatchEvent(new CustomEvent("start", { detail: one.line }));
    }
    if (one.state === "playing" && sound.settled && now >= sound.end) {
      one.state = "done";
      this.dispatchEvent(new CustomEvent("end", { detail: one.line }));
      return true;
    }
    // While more is to come, its coming is what wakes us.
    if (one.state === "set" || sound.settled) this.#wake(((one.state === "set" ? sound.runs[0].from : sound.end) - now) / sound.rate);
    // Only one sentence is set ahead of the one that plays.
    return one.state === "playing" && sound.settled;
  }

  /** Whether enough of a sentence is here to play it, or to go on after `played` samples; if not, comes back when it is. */
  #ready({ line, sound }, played) {
    if (sound.complete) return true;
    if (!sound.pieces.length) return false;
    const wait = this.jitter.wait(sound.arrivals, played / sound.rate, line.text, wall());
    if (wait > LEAD) this.#wake(wait - LEAD);
    return wait <= LEAD;
  }

  /** Set a sentence on the clock: as the one before it ends. */
  #begin(one, before) {
    const { sound } = one;
    const running = this.sound?.state === "running";
    // A browser that wants a click first plays nothing: the words go on in their own time meanwhile.
    if (sound.length && !running) this.dispatchEvent(new Event("blocked"));
    one.live = running && sound.length > 0;
    const now = this.#now(one.live);
    const left = before && before.state !== "done" ? before.sound.end - this.#now(before.live) : 0;
    if (left > this.#hurry) sound.begin(before.live === one.live ? before.sound.end : now + left);
    else sound.begin(now + Math.max(left, sound.length ? this.#lead : 0));
    sound.set(this.#way(one), this.arrange);
    one.state = "set";
    if (one.live) this.#ring(sound.runs[0].from);
  }

  /** More of a sentence that plays: behind what plays, or, where it comes too late for that, after a wait. */
  #goOn(one) {
    const { sound } = one;
    if (!sound.pieces.length) return;
    const now = this.#now(one.live);
    if (sound.end - now < this.#hurry) {
      if (!this.#ready(one, sound.played(now))) return;
      sound.begin(now + this.#lead);
    }
    sound.set(this.#way(one), this.arrange);
  }

  /** How far ahead sound is set that follows on silence, in samples: the card takes some time's worth in one go. */
  get #lead() {
    const { baseLatency, sampleRate } = this.#open();
    return Math.round(Math.max(LEAD, 2 * (baseLatency || 0)) * sampleRate);
  }

  /** The same for sound that follows on sound. */
  get #hurry() {
    const { baseLatency, sampleRate } = this.#open();
    return ((baseLatency || 0) + HURRY) * sampleRate;
  }

  /** Where a sentence's sound goes; null where nothing is heard. */
  #way({ live }) {
    if (!live || !this.sound || !this.gain) return null;
    if (!this.out) {
      this.out = this.sound.createGain();
      this.out.connect(this.gain);
    }
    return this.out;
  }

  /** Look again when a sample of the sound card's clock is due: its own events come even where timers are late. */
  #ring(at) {
    if (!this.sound || !this.out) return;
    const bell = new ConstantSourceNode(this.sound, { offset: 0 });
    bell.connect(this.out);
    bell.onended = this.arrange;
    bell.start();
    bell.stop(at / this.sound.sampleRate);
  }

  #wake(seconds) {
    this.due = Math.min(this.due, seconds);
  }
}

/** A thought is shown and never spoken: the server sends it in parentheses and without sound. */
export function isThought(line) {
  return Boolean(line.silent) && /^\s*[(（].*[)）]\s*$/s.test(line.text);
}

/** One sentence after another as a person would write them: no space where the script has none. */
export function join(before, after) {
  const needsSpace = before && after && !/\s$/.test(before) && !/^\s/.test(after)
    && !/[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]$/.test(before);
  return before + (needsSpace ? " " : "") + after;
}

/** The first `share` (0..1) of a text, cut at the end of a word. */
export function partOf(text, share) {
  if (share >= 1) return text;
  const reach = text.length * Math.max(0, share);
  let end = 0;
  if ("Segmenter" in Intl) {
    for (const { index, segment } of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
      if (index + segment.length > reach) break;
      end = index + segment.length;
    }
  } else {
    end = text.lastIndexOf(" ", reach);
  }
  return text.slice(0, Math.max(0, end)).trimEnd();
}
