/** What few pages need: a word on a recogniser that understands little, and the engines, loaded when they are opened. */

import { say } from "./words.js";

export class Later {
  /** @param {any} page what the engines work with: see engines/engines.js */
  constructor(find, page) {
    this.find = find;
    this.page = page;
    this.limited = this.told = false;
    /** @type {{name: string, remedy: string}[]} */ this.better = [];
    /** @type {Promise<any>|null} */ this.engines = null;
    find("open-engines").addEventListener("click", async () => {
      this.engines ??= import("./engines/engines.js").then(({ Engines }) => new Engines(page));
      (await this.engines).open();
    });
  }

  /** @param {any} message */
  take(message) {
    if (message.type === "hello") this.find("open-engines").hidden = !message.accepts?.includes("engines");
    if (message.type === "speech-recognition") {
      this.limited = message.limited;
      this.better = message.better;
      this.show();
    }
    this.engines?.then((engines) => engines.take(message));
  }

  /** The microphone is on: say once how little it is good for. */
  hears() {
    if (this.limited && !this.told) this.page.tell(say("simpleEnglish"));
    this.told ||= this.limited;
  }

  show() {
    const place = this.find("recogniser");
    place.hidden = !this.limited;
    const better = this.better.map(({ name, remedy }) => `${name}: ${remedy || "✓"}`);
    place.textContent = [say("simpleEnglish"), ...(better.length ? [say("understandMore"), ...better] : [])].join("\n");
  }
}
