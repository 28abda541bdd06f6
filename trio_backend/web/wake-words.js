/** Whether the character sleeps, and which word wakes it. */

/** More letters than this do not fit under a name. */
const LONGEST = 60;

export class WakeWords {
  constructor() {
    this.asleep = false;
    /** By language, whatever the configuration calls it. @type {Record<string, string[]>} */
    this.words = {};
  }

  /** A message about wake words. @param {any} message @returns {boolean} whether the character heard nothing of what was said */
  take(message) {
    if (message.type === "wake-words") this.words = typeof message.words === "object" && message.words ? message.words : {};
    this.asleep = message.current_state === "listening";
    return message.action === "ignored";
  }

  /** The line broke: what comes back may be awake. */
  forget() {
    this.asleep = false;
    this.words = {};
  }

  /** One that wakes it, in this language if there is one; "" if the server does not say. @param {string} language */
  word(language) {
    const all = Object.entries(this.words).flatMap(([of, words]) => (Array.isArray(words) ? words : []).map((word) => ({ of, word: String(word) })));
    const found = all.find(({ of }) => of.toLowerCase().startsWith(language)) ?? all[0];
    return (found?.word ?? "").slice(0, LONGEST);
  }
}
