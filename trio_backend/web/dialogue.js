/** Whose turn it is: reads what the server says of a turn, plays it, and lets the person cut in. */

import { showLatency } from "./latency.js";
import { isThought, join } from "./playback.js";
import { readFrame } from "./sentence-sound.js";

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
    /** Sentences whose sound comes in pieces, by their number. @type {Map<number, object>} */
    this.streams = new Map();
    /** The reply's first bubble. @type {HTMLElement|null} */
    this.reply = null;
    /**
     * Where the server stopped the reply because somebody spoke: what had been heard, of that
     * the whole sentences, the one that was cut, and where that stands.
     * @type {{text: string, whole: string[], cut: string, place: object|null}|null}
     */
    this.stopped = null;
    /** The sentences of the reply that were heard before the server took it up again. @type {string[]} */
    this.before = [];
    /** @type {Turn} */ this.turn = "idle";
    playback.addEventListener("start", (event) => this.#start(event.detail));
    playback.addEventListener("end", (event) => this.#end(event.detail));
    playback.addEventListener("idle", () => this.#settle());
  }

  /** Say something; whatever is being answered is cut off. False if nobody is there. @param {string} text @param {Picture[]} images */
  say(text, images) {
    if (this.connection.link !== "open") return false;
    this.bargeIn();
    this.stopped = null;
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
    this.streams.clear();
    this.running = this.awaited = this.ignoring = false;
    this.reply = this.stopped = null;
    this.before = [];
    this.#settle();
  }

  /** The line broke: what is here is played to its end, and nothing more is waited for. */
  lose() {
    this.running = this.awaited = this.ignoring = false;
    this.#close();
    this.conversation.partial("");
  }

  /** A piece of a sentence's sound. @param {ArrayBuffer} data */
  hear(data) {
    const frame = this.ignoring ? null : readFrame(data);
    const line = frame && this.streams.get(frame.sentence);
    if (!line) return;
    if (frame.last) this.streams.delete(frame.sentence);
    this.playback.feed(line, frame);
  }

  /** One message of a turn. @param {any} message */
  take(message) {
    if (message.type === "control") return this.#control(message.text);
    // The person may be speaking on after having cut in.
    if (message.type === "partial-transcription") return this.conversation.partial(String(message.text ?? ""));
    if (this.ignoring) return;
    switch (message.type) {
      case "audio": return this.#audio(message);
      case "backend-synth-complete":
        this.awaited = true;
        this.#close();
        return this.#settle();
      case "latency": return this.reply && showLatency(this.reply, message);
      case "force-new-message": return this.#afterPlaying(() => this.conversation.next());
      case "tool_call_status": return this.conversation.tool({
        tool_id: String(message.tool_id), tool_name: String(message.tool_name), status: String(message.status), content: String(message.content ?? ""),
      });
      case "user-input-transcription":
        this.stopped = null;
        return this.conversation.heard(String(message.text));
      case "interrupt-signal":
        // Another member of the group cut in: everybody's character falls silent.
        if (this.running || this.playback.busy) this.#silence();
    }
  }

  #control(text) {
    if (text === "conversation-chain-start") {
      this.running = true;
      this.ignoring = this.awaited = false;
      this.reply = null;
      this.before = [];
      this.playback.forget();
      this.#settle();
    } else if (text === "conversation-chain-end" && !this.ignoring) {
      this.running = false;
      this.#close();
      this.#settle();
      this.dispatchEvent(new Event("ended"));
    } else if (text === "interrupt" && (this.running || this.playback.busy)) {
      // If it was only a cough, the server goes on with the reply, from the sentence that was cut.
      this.connection.send({ type: "interrupt-signal", text: this.#silence(true) });
    }
  }

  #audio(message) {
    const speech = message.display_text ?? { text: "" };
    const line = {
      text: String(speech.text ?? ""), audio: typeof message.audio === "string" ? message.audio : null, stream: message.stream === true,
      volumes: Array.isArray(message.volumes) ? message.volumes : [], slice: message.slice_length || 20,
      extra: { speech, forwarded: message.forwarded === true, expressions: message.actions?.expressions ?? [] },
    };
    if (line.stream) this.streams.set(Number(message.sentence), line);
    this.playback.add(line);
  }

  /** No more sound comes of this turn, also of a sentence that is not whole. */
  #close() {
    this.streams.clear();
    this.playback.close();
  }

  #start(line) {
    const { speech, forwarded, expressions } = line.extra;
    if (line.text) this.shown.set(line, this.#show(line, speech));
    this.stage.feel(expressions);
    // In a group, this shows the sentence to the others; alone it changes nothing.
    if (!forwarded) this.connection.send({ type: "audio-play-start", display_text: speech, forwarded: true });
    this.#settle();
  }

  /** Put a sentence on the page. */
  #show(line, speech) {
    // Nothing came of what was being said, or it would be on the page by now.
    if (!this.reply) this.conversation.partial("");
    const sentence = this.#resume(line) ?? this.conversation.sentence(speech, isThought(line));
    this.reply ??= sentence.closest(".entry");
    return sentence;
  }

  /**
   * If this is the first sentence after a stop of which nothing came, the reply goes on in its bubble. The server begins
   * with what it takes to be cut; by our clock that may have been heard, or the one after it may have begun.
   * @returns {HTMLElement|null} the sentence, if it is on the page already
   */
  #resume(line) {
    const { stopped } = this;
    this.stopped = null;
    if (!stopped) return null;
    const said = stopped.cut ? [...stopped.whole, stopped.cut] : stopped.whole, at = said.lastIndexOf(line.text);
    this.before = at < 0 ? said : said.slice(0, at);
    return stopped.place && this.conversation.resume(stopped.place, line.text);
  }

  #end(line) {
    const sentence = this.shown.get(line);
    if (sentence) this.conversation.spoken(sentence);
    this.shown.delete(line);
  }

  /** Fall silent, and mark the place; `perhaps` keeps it in mind for a server that may go on from there. Returns what had been heard. */
  #silence(perhaps = false) {
    const { text, cut, whole } = this.playback.stop();
    const place = this.conversation.cut((cut && this.shown.get(cut.line)) ?? null, cut?.text ?? "");
    // A reply that was taken up again, and of which nothing more was heard since, stands where it stood.
    const was = this.stopped, all = was ? was.text : join(this.before.reduce(join, ""), text);
    this.stopped = perhaps ? was ?? { text: all, whole: [...this.before, ...whole], cut: cut?.line.text ?? "", place } : null;
    this.before = [];
    this.shown.clear();
    this.streams.clear();
    this.running = this.awaited = false;
    // The server ends a barge-in in silence; what is on its way is of no use any more.
    this.ignoring = true;
    this.#settle();
    return all;
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
