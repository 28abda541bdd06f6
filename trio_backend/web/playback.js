/** The voice: plays sentences one after another without a gap, and knows what has been heard. */

/**
 * A sentence to play. `audio` is a WAV file in base64, or null where there is nothing to hear;
 * `volumes` has one loudness 0..1 per `slice` ms.
 * @typedef {object} Line
 * @property {string} text
 * @property {string|null} audio
 * @property {number[]} volumes
 * @property {number} slice
 * @property {boolean} [silent] it came without sound; set by `add`
 * @property {unknown} [extra] whatever the caller wants back at the start
 */

/** @typedef {{line: Line, buffer: AudioBuffer|null, ready: boolean, seconds: number, from: number, clock: Clock, node: AudioBufferSourceNode|null, state: "waiting"|"set"|"playing"|"done"}} Piece */
/** @typedef {() => number} Clock seconds */

/** How far ahead a sentence is given to the sound card, in s: enough to survive a busy page. */
const LEAD = .03;

const wall = () => performance.now() / 1000;

/** Emits "start" and "end" (detail: the line), "idle" when the last one has ended, and "blocked". */
export class Playback extends EventTarget {
  constructor() {
    super();
    /** @type {AudioContext|null} */ this.sound = null;
    /** @type {GainNode|null} */ this.gain = null;
    /** @type {Piece[]} */ this.pieces = [];
    this.loudness = 1;
    this.timer = 0;
  }

  /** True while something is being played or waits to be. */
  get busy() {
    return this.pieces.some((piece) => piece.state !== "done");
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

  /** Play this after all that came before it. */
  add(line) {
    line.silent = line.audio === null;
    /** @type {Piece} */
    const piece = { line, buffer: null, ready: line.audio === null, seconds: 0, from: 0, clock: wall, node: null, state: "waiting" };
    this.pieces.push(piece);
    if (line.audio !== null) this.#decode(piece, line.audio);
    this.#arrange();
  }

  /** Be silent at once and forget the rest. Returns what had been played of this turn; see `heard`. */
  stop() {
    const heard = this.heard();
    for (const piece of this.pieces) {
      piece.state = "done";
      if (piece.node) piece.node.onended = null;
      piece.node?.stop();
    }
    this.pieces = [];
    clearTimeout(this.timer);
    return heard;
  }

  /** Forget what was heard: a new turn begins. What still plays goes on. */
  forget() {
    this.pieces = this.pieces.filter((piece) => piece.state !== "done");
  }

  /**
   * What has been played of this turn: all finished sentences, and of the current one as much as was heard.
   * `cut` is the current line and what of it was heard, or null between sentences. Silent thoughts do not count.
   * @returns {{text: string, cut: {line: Line, text: string}|null}}
   */
  heard() {
    let text = "", cut = null;
    for (const piece of this.pieces) {
      if (piece.state === "waiting" || piece.state === "set" || isThought(piece.line)) continue;
      const share = piece.state === "done" || !piece.seconds ? 1 : (piece.clock() - piece.from) / piece.seconds;
      const part = partOf(piece.line.text, share);
      if (share < 1) cut = { line: piece.line, text: part };
      text = join(text, part);
    }
    return { text, cut };
  }

  /** How loud the voice is at this moment, 0..1, whatever the volume is set to. */
  level() {
    const piece = this.pieces.find((one) => one.state === "playing" && one.seconds > 0);
    if (!piece) return 0;
    const at = (piece.clock() - piece.from) * 1000 / piece.line.slice;
    const { volumes } = piece.line;
    const before = volumes[Math.floor(at)] ?? 0, after = volumes[Math.floor(at) + 1] ?? 0;
    return before + (after - before) * (at - Math.floor(at));
  }

  #open() {
    if (!this.sound) {
      this.sound = new AudioContext();
      this.gain = this.sound.createGain();
      this.gain.gain.value = this.loudness;
      this.gain.connect(this.sound.destination);
      this.sound.onstatechange = () => this.#arrange();
    }
    return this.sound;
  }

  async #decode(piece, base64) {
    const sound = this.#open();
    try {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      piece.buffer = await sound.decodeAudioData(bytes.buffer);
      piece.seconds = piece.buffer.duration;
    } catch (error) {
      // Sound that cannot be read is no reason to lose the sentence.
      console.warn("a sentence's sound could not be read", error);
    }
    piece.line.audio = null;
    piece.ready = true;
    this.#arrange();
  }

  /** Begin and end what is due, give the next sentence to the sound card, and come back when something is due again. */
  #arrange() {
    clearTimeout(this.timer);
    const was = this.busy;
    for (const piece of this.pieces) {
      if (piece.state === "done") continue;
      if (!this.#advance(piece)) break;
    }
    if (was && !this.busy) this.dispatchEvent(new Event("idle"));
  }

  /** Move one piece on; true if the one after it may be looked at. */
  #advance(piece) {
    if (piece.state === "waiting") {
      if (!piece.ready) return false;
      this.#set(piece);
    }
    if (piece.state === "set" && piece.clock() >= piece.from) {
      piece.state = "playing";
      this.dispatchEvent(new CustomEvent("start", { detail: piece.line }));
    }
    if (piece.state === "playing" && piece.clock() >= piece.from + piece.seconds) {
      piece.state = "done";
      piece.buffer = null;
      this.dispatchEvent(new CustomEvent("end", { detail: piece.line }));
      return true;
    }
    const due = piece.state === "set" ? piece.from : piece.from + piece.seconds;
    this.#wake(due - piece.clock());
    // Only one sentence is set ahead of the one that plays.
    return piece.state === "playing";
  }

  /** Decide when a piece begins: as the one before it ends. */
  #set(piece) {
    const running = this.sound?.state === "running";
    // A browser that wants a click first plays nothing: the words go on in their own time meanwhile.
    if (piece.buffer && !running) this.dispatchEvent(new Event("blocked"));
    const sound = running ? this.sound : null;
    piece.clock = sound && piece.buffer ? () => sound.currentTime : wall;
    const before = this.pieces[this.pieces.indexOf(piece) - 1];
    const left = before && before.state !== "done" ? before.from + before.seconds - before.clock() : 0;
    piece.from = piece.clock() + Math.max(left, piece.seconds ? LEAD : 0);
    piece.state = "set";
    if (!sound || !piece.buffer || !this.gain) return;
    // On the sound card's own clock the start is exact to the sample.
    piece.node = new AudioBufferSourceNode(sound, { buffer: piece.buffer });
    piece.node.connect(this.gain);
    // Timers of hidden pages are late; the sound's own end is not.
    piece.node.onended = () => this.#arrange();
    piece.node.start(piece.from);
  }

  #wake(seconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#arrange(), Math.max(4, seconds * 1000));
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
