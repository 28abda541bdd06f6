/** The sheet of the engines: which there are, one tried, one chosen for this page. Loaded when it is first opened. */

import { make } from "../conversation.js";
import { Microphone } from "../microphone.js";
import { closable, icon } from "../panels.js";
import { say } from "./words.js";

const KINDS = ["tts", "asr", "llm"];
/** Samples of the microphone that a recogniser is tried with: two seconds at 16 kHz. */
const HEARD = 32_000;
/** How long the microphone may take for them, in ms. */
const LONGEST = 6_000;

const style = make("link");
style.rel = "stylesheet";
style.href = new URL("./engines.css", import.meta.url).href;
const styled = new Promise((done) => {
  style.onload = style.onerror = done;
});
document.head.append(style);

export class Engines {
  /** @param {{connection: any, playback: any, dialogue: any, speechInput: any, settings: any}} page */
  constructor(page) {
    this.page = page;
    /** @type {any[]|null} */ this.known = null;
    /** What was said of an engine last, by kind and name: {busy, text, bad, file, key}. @type {Map<string, any>} */
    this.said = new Map();
    /** The trial that runs, as kind and name; "" if none does. */
    this.trying = "";
    this.presses = 0;
    /** @type {Microphone|null} */ this.microphone = null;
    /** @type {AudioBufferSourceNode|null} */ this.sound = null;
    this.#build();
    page.connection.addEventListener("link", (event) => event.detail.link === "open" || this.#lose());
    page.settings.addEventListener("change", () => this.show());
  }

  async open() {
    await styled;
    this.#ask();
    this.show();
    this.sheet.showModal();
  }

  /** One message of the server. @param {any} message */
  take(message) {
    switch (message.type) {
      case "engines":
        this.known = message.engines;
        return this.show();
      case "engine-tried": return this.#tried(message);
      case "engine-chosen": return this.#chosen(message);
      case "config-switched":
        this.said.clear();
        return this.#ask();
      case "hello": return this.sheet.open && this.#ask();
      case "error": return message.code === "bad-message" && this.trying && this.#tried({ ...split(this.trying), problem: message.message });
    }
  }

  show() {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.does : "";
    const opened = [...this.body.querySelectorAll("details[open]")].map((one) => one.dataset.kind);
    this.title.textContent = say("engines");
    this.cross.setAttribute("aria-label", this.cross.title = say("close"));
    this.about.textContent = say(this.known ? "about" : "looking");
    this.body.replaceChildren(...(this.known ? KINDS.flatMap((kind) => this.#kind(kind, opened.includes(kind))) : []));
    // The list is made anew while somebody may be in it with the keyboard. Use is gone where it was pressed.
    const again = focused && (this.#find(focused) ?? this.#find(focused.replace("use", "try")));
    if (again) again.focus();
  }

  #find(does) {
    return this.body.querySelector(`[data-does="${does}"]:not(:disabled)`);
  }

  #build() {
    this.sheet = make("dialog", "sheet engines");
    this.sheet.id = "engines";
    this.sheet.setAttribute("aria-labelledby", "engines-title");
    this.title = make("h2");
    this.title.id = "engines-title";
    this.cross = make("button", "round");
    this.cross.type = "button";
    this.cross.dataset.close = "";
    this.cross.append(icon("i-close"));
    const header = make("header");
    header.append(this.title, this.cross);
    this.about = make("p", "fine");
    this.about.setAttribute("role", "status");
    this.body = make("div");
    this.sheet.append(header, this.about, this.body);
    document.body.append(this.sheet);
    closable(this.sheet);
    this.sheet.addEventListener("close", () => this.#stop());
  }

  #ask() {
    this.page.connection.send({ type: "fetch-engines" });
  }

  /** The server, or the one after a restart, knows nothing of what was tried. */
  #lose() {
    this.trying = "";
    this.#hush();
    for (const said of this.said.values()) if (said.busy) Object.assign(said, { busy: false, bad: true, text: say("lost") });
    this.show();
  }

  #kind(kind, opened) {
    const every = this.known.filter((one) => one.kind === kind), rest = every.filter((one) => !one.usable && !one.in_use);
    const list = make("ul", "list"), parts = [make("h3", "", say(kind)), list];
    list.append(...every.filter((one) => !rest.includes(one)).map((one) => this.#row(one)));
    if (rest.length) {
      const more = make("details"), others = make("ul", "list");
      more.dataset.kind = kind;
      more.open = opened;
      others.append(...rest.map((one) => this.#lacking(one)));
      more.append(make("summary", "", say("unusable", { count: rest.length })), others);
      parts.push(more);
    }
    return parts;
  }

  #row(one) {
    const item = make("li", "item"), text = make("span", "text"), buttons = make("span", "buttons");
    const key = `${one.kind}/${one.name}`, said = this.said.get(key) ?? {};
    item.classList.toggle("used", one.in_use);
    text.append(make("span", "title", one.name));
    const under = [one.in_use && say("inUse"), one.configured && say("usual")].filter(Boolean).join(" · ");
    if (under) text.append(make("span", "under", under));
    if (one.needs && !one.needs.startsWith("nothing")) text.append(inWords("under", say("needs", { what: one.needs })));
    if (one.usable) buttons.append(this.trying === key ? this.#button("stop", one, () => this.#stop()) : this.#button("try", one, () => this.#try(one)));
    if (one.usable && !one.in_use) buttons.append(this.#button("use", one, () => this.#use(one), said.busy));
    const outcome = said.text ? inWords("outcome", said.text) : make("p", "outcome");
    outcome.setAttribute("role", "status");
    outcome.classList.toggle("bad", Boolean(said.bad));
    if (said.file) outcome.append(make("br"), say("toKeep", { file: said.file }), make("br"), make("code", "lines", `${nested(said.key)} ${one.name}`));
    item.append(text, buttons, outcome);
    return item;
  }

  #lacking(one) {
    const item = make("li", "item");
    item.append(make("span", "title", one.name), ...one.missing.map((text) => inWords("under", text)));
    return item;
  }

  #button(does, one, press, busy = false) {
    const button = make("button", "small", say(does));
    button.type = "button";
    button.disabled = busy;
    // Stop stands where Try stood: the focus stays on it.
    button.dataset.does = `${does === "use" ? "use" : "try"}/${one.kind}/${one.name}`;
    button.setAttribute("aria-label", say(`${does}One`, { name: one.name }));
    button.addEventListener("click", press);
    return button;
  }

  #say(key, said) {
    this.said.set(key, said);
    this.show();
  }

  /* ---- trying ---- */

  async #try({ kind, name }) {
    this.#stop();
    // One hears one thing at a time.
    if (kind !== "llm") this.page.dialogue.bargeIn();
    const key = this.trying = `${kind}/${name}`, press = this.presses += 1;
    let audio = "";
    if (kind === "asr") {
      this.#say(key, { busy: true, text: say("speakNow") });
      try {
        audio = await this.#record();
      } catch {
        if (this.presses !== press || !this.trying) return;
        this.trying = "";
        return this.#say(key, { bad: true, text: say("noMicrophone") });
      }
      // Stopped while one spoke, perhaps to try again.
      if (this.presses !== press || !this.trying) return;
    }
    // In the click, where browsers let sound begin.
    if (kind === "tts") this.page.playback.unlock();
    this.#say(key, { busy: true, text: say("loading") });
    this.page.connection.send({ type: "try-engine", kind, name, ...(kind === "asr" ? { audio } : {}), ...(kind === "tts" ? { text: say("sentence") } : {}) });
  }

  #stop() {
    this.#hush();
    if (!this.trying) return;
    this.said.delete(this.trying);
    this.trying = "";
    this.page.connection.send({ type: "stop-trying" });
    this.show();
  }

  #hush() {
    this.sound?.stop();
    this.sound = null;
    this.microphone?.stop();
    this.microphone = null;
  }

  async #tried({ kind, name, problem, text, audio, loaded_in: loaded, took }) {
    const key = `${kind}/${name}`;
    if (this.trying !== key) return;
    this.trying = "";
    if (problem) return this.#say(key, { bad: true, text: say("failed", { why: problem }) });
    const times = say("took", { loaded: loaded.toFixed(1), took: took.toFixed(1) });
    const said = kind === "llm" ? say("answered", { text }) : kind === "asr" ? say(text ? "understood" : "nothing", { text }) : "";
    this.#say(key, { text: `${said} ${times}`.trim() });
    if (audio) await this.#play(audio);
  }

  async #play(base64) {
    const { playback } = this.page;
    await playback.unlock();
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const buffer = await playback.sound.decodeAudioData(bytes.buffer);
    this.sound = new AudioBufferSourceNode(playback.sound, { buffer });
    // As loud as the character.
    this.sound.connect(playback.gain);
    this.sound.start();
  }

  /** Two seconds of the microphone, as base64 of 16-bit samples. Raises where the browser gives none. */
  async #record() {
    this.page.speechInput.shut();
    await this.page.speechInput.work;
    const microphone = this.microphone = new Microphone(), samples = new Int16Array(HEARD);
    let filled = 0;
    const full = new Promise((done) => {
      microphone.addEventListener("chunk", (event) => {
        const chunk = Int16Array.from(event.detail.subarray(0, HEARD - filled), (sample) => Math.round(sample * 32767));
        samples.set(chunk, filled);
        filled += chunk.length;
        if (filled >= HEARD) done(null);
      });
      setTimeout(done, LONGEST);
    });
    await microphone.start(this.page.settings.choices.device);
    await full;
    await microphone.stop();
    if (!filled) throw new Error("the microphone gave nothing");
    let letters = "";
    for (const byte of new Uint8Array(samples.buffer, 0, 2 * filled)) letters += String.fromCharCode(byte);
    return btoa(letters);
  }

  /* ---- choosing ---- */

  #use({ kind, name }) {
    // A newer choice takes the place of one that is being loaded.
    for (const said of this.said.values()) if (said.choosing) Object.assign(said, { busy: false, choosing: false, text: "" });
    this.#say(`${kind}/${name}`, { busy: true, choosing: true, text: say("loading") });
    this.page.connection.send({ type: "choose-engine", kind, name });
  }

  #chosen({ kind, name, problem, file, key }) {
    if (problem) return this.#say(`${kind}/${name}`, { bad: true, text: say("failed", { why: problem }) });
    for (const other of [...this.said.keys()]) if (other.startsWith(`${kind}/`)) this.said.delete(other);
    this.#say(`${kind}/${name}`, { text: say("chosen"), file, key });
    this.#ask();
  }
}

function split(key) {
  const at = key.indexOf("/");
  return { kind: key.slice(0, at), name: key.slice(at + 1) };
}

/** A dotted key as it stands in a file: each part under the one before. */
function nested(key) {
  return key.split(".").map((part, at) => `${"  ".repeat(at)}${part}:`).join("\n");
}

/** A text whose commands, in backquotes, can be copied. */
function inWords(className, text) {
  const line = make("p", className);
  line.append(...text.split("`").map((part, at) => (at % 2 ? make("code", "", part) : part)));
  return line;
}
