/** The microphone button: hands-free or hold to talk, and how the samples reach the server. */

import { Microphone } from "./microphone.js";
import { label, say } from "./words.js";

/** Unsent bytes beyond which the network is too slow for speech: new samples are dropped. */
const MOST_WAITING = 1 << 20;
/** A press shorter than this, in ms, is a tap: it listens on until the next one. Not everybody can hold a button. */
const TAP = 300;

export class SpeechInput {
  /**
   * @param {HTMLElement} button
   * @param {{bargeIn: () => void, tell: (words: string) => void, pictures: () => unknown[], changed: () => void}} outward `changed` when `hears` or `listening` are others
   */
  constructor(button, connection, settings, outward) {
    this.button = button;
    this.connection = connection;
    this.settings = settings;
    this.outward = outward;
    this.microphone = new Microphone();
    /** @type {"shut"|"free"|"hold"} */ this.mode = "shut";
    /** The microphone runs, and what it hears is sent: not yet while the browser asks the person. */
    this.hears = false;
    this.pressed = 0;
    /** The message type for which the server has said that it takes bytes. */
    this.bytesFor = "";
    /** Starting and stopping wait for each other: presses may come faster than microphones open. */
    this.work = Promise.resolve();
    this.microphone.addEventListener("chunk", (event) => this.#send(event.detail));
    this.microphone.addEventListener("level", (event) => button.style.setProperty("--level", String(1 + event.detail * .7)));
    this.microphone.addEventListener("gone", () => this.shut());
    this.#listen();
    this.#name();
    settings.addEventListener("change", (event) => {
      const changed = event.detail;
      if (changed === "listening" || changed === "device") this.shut();
      if (changed === "listening") this.#name();
    });
  }

  get listening() {
    return this.mode !== "shut";
  }

  /** The server would like to hear: listen again if that was on before and needs no question to the person. */
  async startAsBefore() {
    if (!this.settings.choices.handsFreeOn || this.settings.choices.listening !== "free" || !Microphone.possible || this.listening) return;
    const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    if (permission?.state === "granted") this.#open("free");
  }

  /** Stop listening. What was said while holding the button is still sent off with `finish`. */
  shut(finish = false) {
    const was = this.mode;
    if (was === "shut") return;
    // Hands-free, the last splinter of a piece says nothing; of an utterance it is the end of a word.
    if (was === "free") this.#become("shut");
    this.#queue(async () => {
      await this.microphone.stop();
      this.#become("shut");
      if (was === "hold" && finish) this.end();
    });
  }

  /** The utterance is complete. */
  end() {
    const images = this.outward.pictures();
    this.connection.send({ type: "mic-audio-end", ...(images.length ? { images } : {}) });
  }

  /** The server's answer to the offer of bytes. @param {any} message */
  agree(message) {
    if (message.format === "pcm16" && typeof message.carries === "string") this.bytesFor = message.carries;
  }

  /** This server, or the one after a restart, has not agreed to anything. */
  forget() {
    this.bytesFor = "";
    this.shut();
  }

  #open(mode) {
    if (!Microphone.possible) return this.outward.tell(say(isSecureContext ? "micMissing" : "micInsecure"));
    this.#become(mode);
    this.#queue(async () => {
      try {
        // Floats in JSON are ten times as many bytes: ask whether the server takes samples as they are.
        this.connection.send({ type: "mic-format", format: "pcm16", carries: this.#kind });
        await this.microphone.start(this.settings.choices.device);
        this.hears = this.listening;
        this.outward.changed();
      } catch (error) {
        const name = error instanceof DOMException ? error.name : "";
        this.outward.tell(say(name === "NotAllowedError" ? "micRefused" : "micMissing"));
        this.#become("shut");
      }
    });
  }

  #queue(job) {
    this.work = this.work.then(job, job);
  }

  get #kind() {
    return this.mode === "hold" ? "mic-audio-data" : "raw-audio-data";
  }

  #send(samples) {
    if (!this.listening || this.connection.waiting > MOST_WAITING) return;
    if (this.bytesFor === this.#kind) {
      const pcm = Int16Array.from(samples, (sample) => Math.round(sample * 32767));
      return this.connection.sendBytes(pcm.buffer);
    }
    // Five digits are finer than 16 bits, and a third of the text.
    this.connection.send({ type: this.#kind, audio: Array.from(samples, (sample) => Math.round(sample * 1e5) / 1e5) });
  }

  #become(mode) {
    this.mode = mode;
    if (mode === "shut") this.hears = false;
    this.button.setAttribute("aria-pressed", String(mode !== "shut"));
    this.#name();
    this.outward.changed();
  }

  #name() {
    label(this.button, this.listening ? "micOff" : this.settings.choices.listening === "hold" ? "micHold" : "micOn");
  }

  #listen() {
    const { button } = this;
    const down = () => {
      if (this.settings.choices.listening === "free") return;
      if (this.listening) {
        this.pressed = 0;
        return this.shut(true);
      }
      this.pressed = performance.now();
      // To speak is to interrupt.
      this.outward.bargeIn();
      this.#open("hold");
    };
    const up = () => {
      if (this.mode !== "hold" || !this.pressed) return;
      if (performance.now() - this.pressed > TAP) this.shut(true);
      this.pressed = 0;
    };
    button.addEventListener("pointerdown", (event) => {
      if (event.button === 0) button.setPointerCapture(event.pointerId);
      if (event.button === 0) down();
    });
    button.addEventListener("pointerup", up);
    button.addEventListener("pointercancel", up);
    button.addEventListener("keydown", (event) => {
      if (!event.repeat && (event.key === " " || event.key === "Enter")) down();
    });
    button.addEventListener("keyup", (event) => {
      if (event.key === " " || event.key === "Enter") up();
    });
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("click", () => {
      if (this.settings.choices.listening !== "free") return;
      this.settings.choose("handsFreeOn", !this.listening);
      if (this.listening) this.shut();
      else this.#open("free");
    });
  }
}
