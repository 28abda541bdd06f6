/** What was said while nobody was there: it waits above the field, can be taken back, and is sent once, in order. */

import { make } from "./conversation.js";
import { remember } from "./settings.js";
import { label, say } from "./words.js";

/** @typedef {import("./dialogue.js").Picture} Picture */
/** @typedef {{text: string, pictures: Picture[]}} Waiting */

/** A field that is sent and sent again fills no memory: after so many, words stay in the field. */
const MOST = 20;

export class Outbox {
  /**
   * @param {HTMLElement} list
   * @param {{connected: () => boolean, ready: () => boolean, send: (text: string, pictures: Picture[]) => boolean, takeBack: (waiting: Waiting) => void, sign: () => SVGElement}} outward
   *   `ready` once the conversation is open and nothing is being answered; `takeBack` gets what is not to be sent
   */
  constructor(list, outward) {
    this.list = list;
    this.outward = outward;
    /** @type {Waiting[]} */ this.waiting = [];
    /** One of them was sent, and its answer has not begun: the next one would cut it off. */
    this.sent = false;
    this.due = false;
    this.show();
  }

  /** Whether something said before still waits: what is said now comes after it. */
  get holds() {
    return this.waiting.length > 0;
  }

  /** Let this wait; false if there is no room for it. @param {string} text @param {Picture[]} pictures */
  put(text, pictures) {
    if (this.waiting.length >= MOST) return false;
    this.waiting.push({ text, pictures });
    this.show();
    this.flush();
    return true;
  }

  /** Send the first one that waits, if there is somebody to answer it. The next one goes when that is answered. */
  flush() {
    if (this.due) return;
    this.due = true;
    // Who calls may be about to show another conversation: what is sent belongs below that.
    queueMicrotask(() => {
      this.due = false;
      this.#send();
    });
  }

  /** What was sent is answered, or never will be. */
  answered() {
    this.sent = false;
    this.flush();
  }

  /** Nothing of this is to be sent: it was meant for another server. */
  takeAllBack() {
    const all = this.waiting.splice(0);
    this.show();
    for (const one of all) this.outward.takeBack(one);
  }

  #send() {
    const [first] = this.waiting;
    if (!first || this.sent || !this.outward.ready() || !this.outward.send(first.text, first.pictures)) return;
    this.sent = true;
    this.waiting.shift();
    this.show();
  }

  /** What waits, and for what, in the chosen language. */
  show() {
    // After a reload it is in the field: who opens a page again does not expect it to speak for them. Pictures are more
    // than a browser keeps for a tab.
    remember({ waiting: this.waiting.map((one) => one.text) });
    this.list.hidden = !this.waiting.length;
    this.list.replaceChildren(...this.waiting.map((one) => this.#row(one)));
  }

  #row(one) {
    const item = make("li", "waits"), said = make("p", "words", one.text), back = make("button", "round", "", () => {
      this.waiting = this.waiting.filter((other) => other !== one);
      this.show();
      this.outward.takeBack(one);
    });
    back.append(this.outward.sign());
    label(back, "takeBack");
    const shown = one.pictures.map((picture) => {
      const image = make("img");
      image.src = picture.data;
      image.alt = say("picture");
      return image;
    });
    const text = make("div", "what");
    text.append(...shown, said, make("p", "why", say(this.outward.connected() ? "waitingForAnswer" : "waitingForConnection")));
    item.append(text, back);
    return item;
  }
}
