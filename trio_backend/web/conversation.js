/** The conversation on the page: bubbles, thoughts, tools at work, and where somebody cut in. Text is only ever text. */

import { say } from "./words.js";
import { join } from "./playback.js";
import { pathOf } from "./settings.js";

/** More than this many entries are not kept on the page: a kiosk talks for weeks. */
const MOST = 400;
/** How long what was said without certainty stays if nothing follows, in ms: longer than a slow recogniser takes. */
const PATIENCE = 6000;

/** @typedef {{text: string, name?: string|null, avatar?: string|null}} Speech */

/**
 * A new element with a class and, perhaps, text.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [name]
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, name = "", text = "", press = null) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  // By itself a button sends the form around it.
  if (tag === "button") element.type = "button";
  if (press) element.addEventListener("click", press);
  return element;
}

/** An avatar's picture; its owner's initial where there is none, or none that loads. */
function portrait(name, file, at) {
  const initial = make("span", "avatar", [...name.trim()][0] ?? "·");
  initial.setAttribute("aria-hidden", "true");
  if (!file) return initial;
  const image = make("img", "avatar");
  image.alt = "";
  image.onerror = () => image.replaceWith(initial);
  image.src = at(pathOf("avatars", file)).href;
  return image;
}

export class Conversation {
  /**
   * @param {{log: HTMLElement, scroll: HTMLElement, latest: HTMLElement}} places
   * @param {(path: string) => URL} at the address of a file on the server
   */
  constructor({ log, scroll, latest }, at) {
    this.log = log;
    this.scroll = scroll;
    this.latest = latest;
    this.at = at;
    /** The bubble that grows, if there is one. @type {HTMLElement|null} */
    this.bubble = null;
    /** Tools by their id. @type {Map<string, HTMLElement>} */
    this.tools = new Map();
    /** What is being said while it is not understood for certain. @type {HTMLElement|null} */
    this.unsure = null;
    this.fading = 0;
    /** The page's own word on what was said last. @type {HTMLElement|null} */
    this.remark = null;
    this.atEnd = true;
    scroll.addEventListener("scroll", () => this.#noteWhere(), { passive: true });
    latest.addEventListener("click", () => this.toEnd());
    // The on-screen keyboard and growing input take height away: the last words stay in sight.
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(scroll);
  }

  clear() {
    this.log.replaceChildren();
    this.tools.clear();
    this.bubble = this.unsure = this.remark = null;
    this.toEnd();
  }

  /** Show a whole conversation of the past. @param {{role: "human"|"ai", content: string, name?: string|null, avatar?: string|null}[]} messages */
  load(messages) {
    this.clear();
    for (const { role, content, name, avatar } of messages.slice(-MOST)) {
      if (role === "human") this.human(content);
      else this.#open({ text: content, name, avatar }).append(make("span", "sentence", content));
      this.bubble = null;
    }
    this.toEnd();
  }

  /** What the person said. @param {string} text @param {string[]} [pictures] data URLs @returns {HTMLElement} */
  human(text, pictures = []) {
    this.bubble = null;
    const entry = make("div", "entry human");
    const who = make("p", "unseen", say("you"));
    entry.append(who);
    if (pictures.length) {
      const shown = make("div", "shown");
      for (const data of pictures) {
        const image = make("img");
        image.alt = say("picture");
        image.src = data;
        shown.append(image);
      }
      entry.append(shown);
    }
    if (text) entry.append(make("p", "words", text));
    this.#add(entry);
    // Who speaks wants to see the answer.
    this.toEnd();
    return entry;
  }

  /** What the person was understood to have said: it takes the place of what was not certain. */
  heard(text) {
    const { unsure } = this;
    this.partial("");
    // It stands where those words stood: it does not rise once more.
    this.human(text).classList.toggle("settled", Boolean(unsure));
  }

  /** What the person is saying, as far as it is understood; "" takes it away again. @param {string} text */
  partial(text) {
    clearTimeout(this.fading);
    if (!text) {
      this.unsure?.remove();
      this.unsure = null;
      return;
    }
    // Of a cough or an "uh-huh" nothing follows: nobody says that it is over.
    this.fading = setTimeout(() => this.partial(""), PATIENCE);
    if (!this.unsure?.isConnected) {
      this.unsure = make("div", "entry human unsure");
      // Read aloud word by word it would talk over the person; what is certain is read.
      this.unsure.setAttribute("aria-hidden", "true");
      this.unsure.append(make("p", "words"));
      this.log.append(this.unsure);
    }
    const words = this.unsure.firstElementChild;
    if (words) words.textContent = text;
    this.#follow();
  }

  /** A word of the page itself below what was said; it takes the place of the one before, "" of all. @param {string} text */
  note(text) {
    this.remark?.remove();
    this.remark = text ? make("p", "entry note", text) : null;
    if (!this.remark) return;
    this.bubble = null;
    this.#add(this.remark);
  }

  /** Add one sentence of the character to its bubble. @returns {HTMLElement} the sentence */
  sentence(speech, thought) {
    const words = this.#open(speech);
    const before = words.textContent ?? "";
    const gap = join(before.slice(-1), speech.text).length - before.slice(-1).length - speech.text.length;
    if (gap > 0) words.append(" ");
    const sentence = make("span", thought ? "sentence thought" : "sentence now", speech.text);
    words.append(sentence);
    this.#follow();
    return sentence;
  }

  /** This sentence has been spoken. */
  spoken(sentence) {
    sentence.classList.remove("now");
  }

  /**
   * Somebody cut in: the current sentence ends where it was cut, and the bubble says so. Returns the place, for
   * `resume`; null if nothing is left of the bubble.
   * @returns {{bubble: HTMLElement, mark: HTMLElement, sentence: HTMLElement|null, text: string}|null}
   */
  cut(sentence, heard) {
    const { bubble } = this, text = sentence?.textContent ?? "";
    if (sentence) {
      sentence.textContent = heard;
      sentence.classList.remove("now");
    }
    this.bubble = null;
    const words = bubble?.querySelector(".words");
    if (!bubble || !words?.textContent?.trim()) {
      bubble?.remove();
      return null;
    }
    const mark = make("span", "cut", say("interrupted"));
    words.append(" ", mark);
    return { bubble, mark, sentence, text };
  }

  /**
   * The reply goes on in its bubble with the sentence `next`. Returns that if it is there already: it stands there
   * whole, and what came after it is gone, for it comes again. Null for a new one: then what was cut counts as said.
   * @param {string} next
   * @returns {HTMLElement|null}
   */
  resume({ bubble, mark, sentence, text }, next) {
    mark.remove();
    this.bubble = bubble;
    if (sentence) sentence.textContent = text;
    const again = [...bubble.querySelectorAll(".sentence")].reverse().find((one) => one.textContent === next);
    if (!again) return null;
    while (again.nextSibling) again.nextSibling.remove();
    again.classList.add("now");
    this.#follow();
    return again;
  }

  /** The next sentence starts a new bubble. */
  next() {
    this.bubble = null;
  }

  /** A tool that the character uses: one line that changes as the work goes on. @param {{tool_id: string, tool_name: string, status: string, content: string}} tool */
  tool({ tool_id, tool_name, status, content }) {
    const known = this.tools.get(tool_id);
    const entry = known ?? make("details", "entry");
    const summary = make("summary");
    summary.append(make("span", "mark"), make("span", "", tool_name), make("span", "unseen", status));
    entry.className = `entry tool ${["running", "completed", "error"].includes(status) ? status : "running"}`;
    entry.replaceChildren(summary);
    if (content) entry.append(make("pre", "", content.slice(0, 4000)));
    if (known) return;
    this.tools.set(tool_id, entry);
    this.#add(entry);
    this.bubble = null;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.#noteWhere();
  }

  /** The bubble of this speaker, a new one if another spoke last. Returns where its words go. */
  #open({ name, avatar }) {
    const owner = name ?? "";
    const open = this.bubble?.dataset.owner === owner ? this.bubble : null;
    const entry = open ?? make("div", "entry ai");
    if (!open) {
      entry.dataset.owner = owner;
      const who = make("p", "who");
      who.append(portrait(owner, avatar, this.at), make("span", "", owner));
      if (owner) entry.append(who);
      entry.append(make("p", "words"));
      this.#add(entry);
      this.bubble = entry;
    }
    return entry.querySelector(".words");
  }

  #add(entry) {
    // What is still being said stays last.
    this.log.insertBefore(entry, this.unsure?.parentNode === this.log ? this.unsure : null);
    while (this.log.childElementCount > MOST) this.log.firstElementChild?.remove();
    if (this.tools.size > MOST) this.tools.clear();
    this.#follow();
  }

  #follow() {
    if (this.atEnd) this.toEnd();
    else this.latest.hidden = false;
  }

  #noteWhere() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    this.atEnd = scrollHeight - scrollTop - clientHeight < 60;
    if (this.atEnd) this.latest.hidden = true;
  }
}
