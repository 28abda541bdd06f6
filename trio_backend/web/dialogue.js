/** Whose turn it is: reads what the server says of a turn, plays it, and lets the person cut in. */

import { isThought } from "./playback.js";

/** @typedef {"idle"|"thinking"|"speaking"} Turn */
/** @typedef {{source: "camera"|"screen"|"clipboard"|"upload", data: string, mime_type: string}} Picture */

/** Emits "turn" (detail: the Turn) and "ended" when a turn is over. */
export class Dialogue extends EventTarget {
  constructor(connection, playback, conversation, stage) {
    super();
    this.connection = connection;
    this.playback = playback;
    this.conversation = conversation;
    this.stage = stage;
    this.running = false;
    /** What still comes of a turn that was cut off is left out, until the next one begins. */
    this.ignoring = false;
    /** The server has sent all sound of the turn and waits for us to have played it. */
    this.awaited = false;
    /** The sentences that are on the page and not yet spoken to their end. @type {Map<object, HTMLElement>} */
    this.shown = new Map();
    /** @type {Turn} */ this.turn = "idle";
    playback.addEventListener("start", (event) => this.#start(event.detail));
    playback.addEventListener("end", (event) => this.#end(event.detail));
    playback.addEventListener("idle", () => this.#settle());
  }

  /** Say something; whatever is being answered is cut off. False if nobody is there. @param {string} text @param {Picture[]} images */
  say(text, images) {
    if (this.connection.link !== "open") return false;
    this.bargeIn();
    this.conversation.human(text, images.map((image) => image.data));
    return this.connection.send({ type: "text-input", text, ...(images.length ? { images } : {}) });
  }

  /** Cut the running reply off, and tell the server exactly what had been heard of it. */
  bargeIn() {
    if (!this.running && !this.playback.busy) return;
    this.connection.send({ type: "interrupt-signal", text: this.#silence() });
  }

  /** The line broke, or the conversation is another one: end everything here, and tell nobody. */
  abandon() {
    this.playback.stop();
    this.shown.clear();
    this.running = this.awaited = this.ignoring = false;
    this.#settle();
  }

  /** One message of a turn. @param {any} message */
  take(message) {
    if (message.type === "control") return this.#control(message.text);
    if (this.ignoring) return;
    switch (message.type) {
      case "audio": return this.#audio(message);
      case "backend-synth-complete":
        this.awaited = true;
        return this.#settle();
      case "force-new-message": return this.#afterPlaying(() => this.conversation.next());
      case "tool_call_status": return this.conversation.tool({
        tool_id: String(message.tool_id), tool_name: String(message.tool_name), status: String(message.status), content: String(message.content ?? ""),
      });
      case "user-input-transcription": return this.conversation.human(String(message.text));
      case "interrupt-signal":
        // Another member of the group cut in: everybody's character falls silent.
        if (this.running || this.playback.busy) this.#silence();
    }
  }

  #control(text) {
    if (text === "conversation-chain-start") {
      this.running = true;
      this.ignoring = this.awaited = false;
      this.playback.forget();
      this.#settle();
    } else if (text === "conversation-chain-end" && !this.ignoring) {
      this.running = false;
      this.#settle();
      this.dispatchEvent(new Event("ended"));
    } else if (text === "interrupt") {
      this.bargeIn();
    }
  }

  #audio(message) {
    const speech = message.display_text ?? { text: "" };
    const line = {
      text: String(speech.text ?? ""), audio: typeof message.audio === "string" ? message.audio : null,
      volumes: Array.isArray(message.volumes) ? message.volumes : [], slice: message.slice_length || 20,
      extra: { speech, forwarded: message.forwarded === true, expressions: message.actions?.expressions ?? [] },
    };
    this.playback.add(line);
  }

  #start(line) {
    const { speech, forwarded, expressions } = line.extra;
    if (line.text) this.shown.set(line, this.conversation.sentence(speech, isThought(line)));
    this.stage.feel(expressions);
    // In a group, this shows the sentence to the others; alone it changes nothing.
    if (!forwarded) this.connection.send({ type: "audio-play-start", display_text: speech, forwarded: true });
    this.#settle();
  }

  #end(line) {
    const sentence = this.shown.get(line);
    if (sentence) this.conversation.spoken(sentence);
    this.shown.delete(line);
  }

  /** Fall silent, and mark the place. Returns what had been heard. */
  #silence() {
    const { text, cut } = this.playback.stop();
    this.conversation.cut((cut && this.shown.get(cut.line)) ?? null, cut?.text ?? "");
    this.shown.clear();
    this.running = this.awaited = false;
    // The server ends a barge-in in silence; what is on its way is of no use any more.
    this.ignoring = true;
    this.#settle();
    return text;
  }

  /** A bubble is closed when its last sentence has been spoken, not when the server has sent it. */
  #afterPlaying(then) {
    if (this.playback.busy) this.playback.addEventListener("idle", then, { once: true });
    else then();
  }

  /** Bring what the page shows in line with what is going on. */
  #settle() {
    const { busy } = this.playback;
    if (this.awaited && !busy) {
      this.awaited = false;
      this.connection.send({ type: "frontend-playback-complete" });
    }
    const turn = this.shown.size && busy ? "speaking" : this.running ? "thinking" : busy ? "speaking" : "idle";
    if (turn === this.turn) return;
    this.turn = turn;
    if (turn === "idle") this.stage.rest();
    this.dispatchEvent(new CustomEvent("turn", { detail: turn }));
  }
}
