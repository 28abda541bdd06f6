/** The line to the server: opens it, notices when it is dead, and opens it again. */

/** First wait before another try, and the longest, in ms. */
const FIRST_WAIT = 400, LONGEST_WAIT = 20_000;
/** A beat goes out this often; two of them unanswered mean that nobody is there. In ms. */
const BEAT = 15_000;
/** What this page understands beyond what every client does. */
const ACCEPTS = ["bytes", "partial-transcription", "latency", "wake-word-state", "wake-words", "titles", "history-renamed", "speech-recognition", "engines"];

/**
 * @typedef {"connecting"|"open"|"lost"} Link
 *
 * Emits "link" (detail {link, seconds}), "message" (detail: the message, an object with a string `type`) and "bytes"
 * (detail: the ArrayBuffer of a binary frame).
 */
export class Connection extends EventTarget {
  /** @param {() => string} address asked before every try */
  constructor(address) {
    super();
    this.address = address;
    /** @type {WebSocket|null} */ this.socket = null;
    /** @type {Link} */ this.link = "connecting";
    this.tries = 0;
    /** The server is there, and would not have us: a token is missing, or our origin is not allowed. */
    this.refused = false;
    this.heard = 0;
    this.timer = 0;
    setInterval(() => this.#beat(), BEAT);
    // The machine woke up, or the network is back: no need to sit out the wait.
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  /** Connect, or connect anew, for example to another address. */
  open() {
    clearTimeout(this.timer);
    this.#drop();
    this.#tell(this.tries ? "lost" : "connecting", 0);
    const socket = new WebSocket(this.address());
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.heard = performance.now();
      this.refused = false;
      // First of all, so that the first turn comes in the form that suits us. A server that does not know it says so, and goes on.
      socket.send(JSON.stringify({ type: "hello", accepts: ACCEPTS }));
      this.#tell("open", 0);
    };
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = (event) => {
      if (!this.refused && this.link !== "open") this.#askWhy();
      this.#retry(event.code);
    };
  }

  /**
   * Send one message; false if nobody is there to take it.
   * @param {{type: string} & Record<string, unknown>} message
   */
  send(message) {
    if (this.link !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Send samples as they are. */
  sendBytes(bytes) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  /** Bytes that the network has not taken yet. */
  get waiting() {
    return this.socket?.bufferedAmount ?? 0;
  }

  #take(data) {
    this.heard = performance.now();
    if (typeof data !== "string") return this.dispatchEvent(new CustomEvent("bytes", { detail: data }));
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      console.warn("a message that is not JSON was left out");
      return;
    }
    // A server that accepts and hangs up at once must not be asked again and again: only words count as success.
    this.tries = 0;
    if (typeof message?.type === "string") this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #retry(code) {
    // 1008: we were too fast for the server, so be slow now.
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.tries) * (code === 1008 ? 4 : 1);
    // Jitter, so that a restarted server is not met by all its pages at once.
    const delay = wait * (.5 + Math.random() / 2);
    this.tries += 1;
    this.socket = null;
    this.#tell("lost", Math.ceil(delay / 1000));
    this.timer = setTimeout(() => this.open(), delay);
  }

  /** Browsers do not say why a socket did not open. */
  async #askWhy() {
    const there = await fetch(this.address().replace(/^ws/, "http").replace("client-ws", "healthz"), { mode: "no-cors" }).catch(() => null);
    this.refused = Boolean(there) && this.link !== "open";
    if (this.refused) this.#tell(this.link, 0);
  }

  #beat() {
    if (this.link !== "open") return;
    if (performance.now() - this.heard > 2.5 * BEAT && !document.hidden) {
      // A socket whose peer is gone may stay "open" for minutes.
      this.#drop();
      this.#retry(1006);
      return;
    }
    this.send({ type: "heartbeat" });
  }

  #hurry() {
    if (this.link === "lost" && !this.socket) this.open();
    else this.#beat();
  }

  #drop() {
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  #tell(link, seconds) {
    this.link = link;
    this.dispatchEvent(new CustomEvent("link", { detail: { link, seconds } }));
  }
}
