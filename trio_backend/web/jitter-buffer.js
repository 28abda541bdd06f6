/** When a sentence may start of which sound is still to come: as early as it can without stopping in the middle. */

/** Over how long the rate of arrival is measured, and the shortest time that says anything of it, in s. */
const WINDOW = 2, SHORTEST = .15;
/** A measured rate counts for this much of itself: over a sentence of 5 s that is 0.2 s of sound in hand. */
const TRUST = .96;
/** Sentences may turn out longer than their text says. */
const LONGER = 1.15;
/** Longer than this nobody waits for a sentence of which there is sound, in s: then pauses are the lesser evil. */
const MOST = 5;

/** @typedef {{at: number, seconds: number}} Arrival `at` on the wall clock, in s; `seconds` of sound that are here then */

/**
 * Measures how many seconds of sound come per second, and how long a text's sound is.
 *
 * A sentence of L seconds of which S are here, whose sound comes at a rate r in pieces of up to D, may start at T
 * if its last piece is here when all before it has been played: T + L - D >= now + (L - S) / r, and the next piece, taken
 * to be as long as the last, when S has been played. A voice of which nothing is known yet starts at once: most are several times faster
 * than speech, and a wait would be heard at every reply. One that is slower stops at most once, within its first
 * second, and is measured then.
 */
export class JitterBuffer {
  constructor() {
    /** Seconds of sound that come in a second; null until it was measured. @type {number|null} */
    this.rate = null;
    /** Seconds of sound for one letter: 15 letters a second until something was heard. */
    this.perLetter = 1 / 15;
    /** The longest piece of late, in s. */
    this.longest = 0;
  }

  /** How long this text's sound is likely to be, in s. @param {string} text */
  expected(text) {
    return letters(text) * this.perLetter;
  }

  /** A piece has come. @param {Arrival[]} arrivals of its sentence, the last one is this piece */
  note(arrivals) {
    const last = arrivals[arrivals.length - 1], before = arrivals[arrivals.length - 2];
    this.longest = Math.max(this.longest * .95, last.seconds - (before?.seconds ?? 0));
    if (!before) return;
    const since = arrivals.find((arrival) => arrival.at >= last.at - WINDOW && arrival !== last) ?? before;
    if (last.at - since.at < SHORTEST) return;
    const rate = (last.seconds - since.seconds) / (last.at - since.at);
    // Believe bad news at once and good news slowly: a pause costs more than a late start.
    this.rate = this.rate === null || rate < this.rate ? rate : this.rate + (rate - this.rate) * .3;
  }

  /** All sound of a sentence is here: learn how long its text was. */
  learn(text, seconds) {
    const count = letters(text);
    // Of a short cry little can be learned, and what is not spoken (a link, code) must not change much.
    if (count < 10 || !seconds) return;
    this.perLetter += (Math.min(.3, Math.max(.02, seconds / count)) - this.perLetter) * .4;
  }

  /**
   * How many seconds from `now` on a sentence has to wait, 0 if it may start.
   * @param {Arrival[]} arrivals its pieces so far, at least one
   * @param {number} played seconds of it that were played before it had to stop
   * @param {string} text
   * @param {number} now on the wall clock, in s
   */
  wait(arrivals, played, text, now) {
    if (!this.rate) return 0;
    const { at, seconds } = arrivals[arrivals.length - 1];
    const latest = seconds - (arrivals[arrivals.length - 2]?.seconds ?? 0);
    const rate = this.rate * TRUST, here = seconds - played;
    const rest = Math.max(this.expected(text) * LONGER - seconds, Math.min(latest, this.longest));
    const next = at + Math.min(latest, rest) / rate - here;
    const whole = at + rest / rate - here - Math.max(0, rest - this.longest);
    // After a stop the patience begins anew, with the piece that ended it.
    const patience = (played ? at : arrivals[0].at) + MOST;
    return Math.max(0, Math.min(Math.max(next, whole), patience) - now);
  }
}

/** How many letters a text takes to say; a character of Chinese, Japanese or Korean is a syllable or two: three letters. */
function letters(text) {
  return text.length + 2 * (text.match(/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/g)?.length ?? 0);
}
