/** The microphone: opens it, and gives 16 kHz mono samples and their loudness. */

/** Emits "chunk" (detail: Float32Array in -1..1) and "level" (detail: 0..1). */
export class Microphone extends EventTarget {
  constructor() {
    super();
    /** @type {{stream: MediaStream, sound: AudioContext, node: AudioWorkletNode}|null} */
    this.open = null;
  }

  /** Whether this page may have one at all: browsers give it only to https and to localhost. */
  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia) && "AudioWorkletNode" in window;
  }

  /** Begin. Raises what the browser raises if it refuses. @param {string} device a device's id, "" for any */
  async start(device) {
    if (this.open) return;
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { ...(device ? { deviceId: { ideal: device } } : {}), channelCount: { ideal: 1 }, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    const sound = new AudioContext();
    await sound.audioWorklet.addModule(new URL("./microphone-worklet.js", import.meta.url));
    await sound.resume();
    const node = new AudioWorkletNode(sound, "recorder", { numberOfOutputs: 0 });
    node.port.onmessage = (event) => this.#take(event.data);
    sound.createMediaStreamSource(stream).connect(node);
    this.open = { stream, sound, node };
    // Unplugged, or taken back by the person in the browser's own menu.
    stream.getTracks()[0].addEventListener("ended", () => this.dispatchEvent(new Event("gone")));
  }

  /** End, after the last samples have been given. */
  async stop() {
    const { open } = this;
    if (!open) return;
    this.open = null;
    const flushed = new Promise((done) => {
      this.addEventListener("flushed", done, { once: true });
      // The audio thread answers in a few ms; a machine that went to sleep must not keep the button pressed.
      setTimeout(done, 300);
    });
    open.node.port.postMessage("flush");
    await flushed;
    for (const track of open.stream.getTracks()) track.stop();
    open.node.port.onmessage = null;
    await open.sound.close();
    this.dispatchEvent(new CustomEvent("level", { detail: 0 }));
  }

  /** The microphones there are; without names until one has been allowed. */
  static async list() {
    if (!Microphone.possible) return [];
    return (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "audioinput" && device.deviceId);
  }

  #take(samples) {
    if (!samples) return this.dispatchEvent(new Event("flushed"));
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    this.dispatchEvent(new CustomEvent("level", { detail: Math.min(1, Math.sqrt(sum / samples.length) * 5) }));
    return this.dispatchEvent(new CustomEvent("chunk", { detail: samples }));
  }
}
