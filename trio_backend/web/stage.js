/** The stage: who stands on it, in which colours, before which background. */

import { feelingOf } from "./face.js";

/** A picture that can stand in for the drawn face. */
const PICTURE = /\.(png|jpe?g|gif|svg|webp)([?#]|$)/i;

/** A number that a name always gives: FNV-1a, 32 bits. */
export function seedOf(name) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The hue, in degrees, by which a character is known everywhere on the page. */
export function hueOf(uid) {
  return seedOf(uid) % 360;
}

/** A tint from a model dictionary: a hue in degrees or a colour "#rrggbb", as a hue of OKLCH; null if it is neither. */
export function hueOfTint(tint) {
  if (typeof tint === "number" && Number.isFinite(tint)) return ((tint % 360) + 360) % 360;
  const hex = typeof tint === "string" ? /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(tint) : null;
  if (!hex) return null;
  // sRGB to OKLab, Björn Ottosson 2020; only a and b are wanted.
  const [r, g, b] = hex.slice(1).map((part) => (parseInt(part, 16) / 255) ** 2.2);
  const l = Math.cbrt(.4122 * r + .5363 * g + .0514 * b), m = Math.cbrt(.2119 * r + .6807 * g + .1074 * b), s = Math.cbrt(.0883 * r + .2817 * g + .6300 * b);
  const hue = Math.atan2(.0259 * l + .7828 * m - .8087 * s, 1.9780 * l - 2.4286 * m + .4506 * s) * 180 / Math.PI;
  return (hue + 360) % 360;
}

export class Stage {
  constructor(face, find) {
    this.face = face;
    this.name = find("name");
    this.backdrop = find("backdrop");
    this.portrait = find("portrait");
    /** @type {Record<string, number|string>} */
    this.emotions = {};
    this.resting = 0;
    // A picture that is not there must not leave an empty stage.
    this.portrait.onerror = () => this.#draw();
  }

  /**
   * Show this character. `model` is its entry of the model dictionary, whatever that holds.
   * @param {Record<string, unknown>} model
   * @param {string} name
   * @param {string} uid
   * @param {(path: string) => URL} at the address of a file on the server
   */
  show(model, name, uid, at) {
    this.name.textContent = name;
    document.title = name;
    document.documentElement.style.setProperty("--hue", String(hueOfTint(model.tint) ?? hueOf(uid)));
    const map = model.emotionMap;
    this.emotions = map && typeof map === "object" ? map : {};
    this.face.dress(String(model.hair ?? ""), String(model.wears ?? ""), seedOf(uid) >>> 9);
    this.face.feel("neutral");
    const url = typeof model.url === "string" && PICTURE.test(model.url) ? at(model.url) : null;
    if (!url || !/^https?:$/.test(url.protocol)) return this.#draw();
    this.portrait.src = url.href;
    this.portrait.hidden = false;
    this.face.svg.classList.add("away");
  }

  /** Feel the first of these that the face knows, for a while. @param {(number|string)[]} expressions */
  feel(expressions) {
    const feeling = expressions.map((value) => feelingOf(value, this.emotions)).find(Boolean);
    if (!feeling) return;
    clearTimeout(this.resting);
    this.face.feel(feeling);
  }

  /** Nothing is being said any more: the feeling passes. */
  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.face.feel("neutral"), 5000);
  }

  /** Stand before this picture; null for none. */
  background(url) {
    // The file's name goes into the style as a quoted, percent-encoded URL: nothing in it can end the quote.
    this.backdrop.style.backgroundImage = url ? `url("${url.href.replace(/["\\]/g, "")}")` : "";
    this.backdrop.classList.toggle("image", Boolean(url));
    document.body.classList.toggle("image-behind", Boolean(url));
  }

  #draw() {
    this.portrait.hidden = true;
    this.portrait.removeAttribute("src");
    this.face.svg.classList.remove("away");
  }
}
