/** What the person chose, kept in this browser; and what this tab was in the middle of. */

import { languageOfBrowser } from "./words.js";

/**
 * @typedef {object} Choices
 * @property {"en"|"zh"|"ja"} language
 * @property {"system"|"light"|"dark"} theme
 * @property {number} volume 0..100
 * @property {boolean} muted
 * @property {"free"|"hold"} listening what the microphone button does
 * @property {boolean} handsFreeOn hands-free listening was on when last seen
 * @property {string} device a microphone's id, "" for the system's choice
 * @property {string} background a file name under /bg, "" for none
 * @property {string} server another server's address, "" for the page's own
 */

/** @type {Choices} */
const FIRST = {
  language: languageOfBrowser(), theme: "system", volume: 90, muted: false,
  listening: "free", handsFreeOn: false, device: "", background: "", server: "",
};

/** A browser may forbid storage: then everything works, and nothing is remembered. */
function read(storage, key) {
  try {
    const found = JSON.parse(storage().getItem(key) ?? "{}");
    return typeof found === "object" && found ? found : {};
  } catch {
    return {};
  }
}

function write(storage, key, value) {
  try {
    storage().setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: see above.
  }
}

/** Emits "change" with the name of what changed. */
export class Settings extends EventTarget {
  constructor() {
    super();
    const kept = read(() => localStorage, "trio-backend");
    /** @type {Choices} */
    this.choices = { ...FIRST };
    // What was stored may be from another version: only values of the known kind come back.
    for (const key of Object.keys(FIRST)) if (typeof kept[key] === typeof FIRST[key]) this.choices[key] = kept[key];
  }

  choose(key, value) {
    if (this.choices[key] === value) return;
    this.choices[key] = value;
    write(() => localStorage, "trio-backend", this.choices);
    this.dispatchEvent(new CustomEvent("change", { detail: key }));
  }

  /** The address of a file on the server: its WebSocket, a picture, an avatar. */
  at(path) {
    const base = serverOf(this.choices.server) ?? new URL(location.origin);
    const url = new URL(path, base);
    // A token that the page was opened with is meant for its own server only.
    const token = new URLSearchParams(location.search).get("token");
    if (token && url.origin === location.origin) url.searchParams.set("token", token);
    return url;
  }

  /** The address to talk to. */
  get socket() {
    const url = this.at("/client-ws");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  }
}

/** What was typed as an address, understood: "host:1234" will do. Null if it is empty or no address. */
export function serverOf(typed) {
  const text = typed.trim().replace(/^ws/i, "http");
  if (!text) return null;
  try {
    const url = new URL(/^https?:\/\//i.test(text) ? text : `http://${text}`);
    return url.hostname ? url : null;
  } catch {
    return null;
  }
}

/** A file's name inside a folder as a path: whatever is in the name, it stays in the folder. */
export function pathOf(folder, file) {
  return `/${folder}/${file.split("/").filter((part) => !/^\.*$/.test(part)).map(encodeURIComponent).join("/")}`;
}

/**
 * What a reload or a lost connection comes back to. Kept per tab, so that two tabs hold two conversations.
 * @typedef {{file?: string, character?: string, conversation?: string, draft?: string, waiting?: string[]}} Place
 */

/** @returns {Place} */
export const place = () => read(() => sessionStorage, "trio-backend-place");

/** Remember some of it, and leave the rest as it was. */
export function remember(change) {
  write(() => sessionStorage, "trio-backend-place", { ...place(), ...change });
}
