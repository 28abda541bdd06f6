/** The face: one drawing that breathes, blinks, looks about, speaks and feels. It owns the SVG of index.html. */

/**
 * What a face does to show a feeling. `lid` 1 is an open eye, `squint` 1 a lower lid raised all the way;
 * `brow` lifts (up is negative), `slant` turns the inner ends down (angry) or up (sad), in degrees;
 * `wide` is half the mouth's width, `curve` from -1 to 1, `open` what the mouth rests at, `skew` one corner only.
 * @typedef {{lid: number, squint: number, brow: number, slant: number, wide: number, curve: number, open: number,
 *            skew: number, blush: number, tear: number, sweat: number, iris: number}} Feeling
 */

/** @type {Feeling} */
const NEUTRAL = { lid: 1, squint: 0, brow: 0, slant: 0, wide: 18, curve: .45, open: 0, skew: 0, blush: .3, tear: 0, sweat: 0, iris: 1 };

/** The emotion keywords of the wire, each as what differs from neutral. @type {Record<string, Partial<Feeling>>} */
const FEELINGS = {
  neutral: {},
  joy: { lid: .86, squint: .64, brow: -8, wide: 26, curve: 1, open: .26, blush: .7 },
  anger: { lid: .78, squint: .18, brow: 10, slant: 19, wide: 20, curve: -.8, blush: .25, iris: .88 },
  sadness: { lid: .72, brow: 0, slant: -17, wide: 16, curve: -.8, tear: 1, blush: .2 },
  surprise: { lid: 1.22, brow: -20, wide: 12, curve: 0, open: .5, iris: .78 },
  fear: { lid: 1.12, brow: -10, slant: -14, wide: 20, curve: -.45, open: .14, sweat: 1, iris: .7, blush: .1 },
  disgust: { lid: .6, squint: .3, brow: 8, slant: 9, wide: 20, curve: -.7, skew: -.7, blush: .1 },
  smirk: { lid: .72, squint: .2, brow: -4, slant: 6, wide: 22, curve: .6, skew: .9, blush: .45 },
};

/** Asleep: lids shut, whatever it feels. @type {Partial<Feeling>} */
const ASLEEP = { lid: -.66, squint: 0, brow: 6, slant: 0, wide: 11, curve: .25, open: .04, skew: 0, tear: 0, sweat: 0 };

/** Words that model dictionaries use besides the eight. @type {Record<string, string>} */
const ALSO = {
  happy: "joy", happiness: "joy", smile: "joy", laugh: "joy", excited: "joy", love: "joy", shy: "joy",
  angry: "anger", mad: "anger", annoyed: "anger", sad: "sadness", cry: "sadness", tears: "sadness",
  surprised: "surprise", shock: "surprise", shocked: "surprise", scared: "fear", afraid: "fear",
  disgusted: "disgust", smug: "smirk", wink: "smirk", normal: "neutral", default: "neutral", idle: "neutral",
};

/**
 * The feeling that a value of `actions.expressions` stands for, or null.
 * A model's emotion map sends keywords to numbers, several to one at times: the order of FEELINGS decides then.
 * @param {number|string} value
 * @param {Record<string, number|string>} emotionMap
 * @returns {string|null}
 */
export function feelingOf(value, emotionMap) {
  const known = (word) => {
    const plain = word.toLowerCase();
    if (plain in FEELINGS) return plain;
    return Object.hasOwn(ALSO, plain) ? ALSO[plain] : null;
  };
  const named = typeof value === "string" ? known(value) : null;
  if (named) return named;
  const meant = Object.keys(emotionMap).filter((key) => emotionMap[key] === value).map(known);
  return Object.keys(FEELINGS).find((feeling) => meant.includes(feeling)) ?? null;
}

const mix = (a, b, share) => a + (b - a) * share;
const fixed = (x) => Math.round(x * 10) / 10;

/** Two or three sines of unrelated length: a wandering that never repeats to the eye, in -1..1. */
const wander = (t) => (Math.sin(t) + Math.sin(t * 1.73 + 1) + Math.sin(t * .61 + 4)) / 3;

export class Face {
  /**
   * @param {SVGSVGElement} svg
   * @param {() => number} loudness how loud the voice is at this moment, 0..1
   */
  constructor(svg, loudness) {
    this.svg = svg;
    this.loudness = loudness;
    const all = (selector) => [...svg.querySelectorAll(selector)];
    this.parts = {
      breath: all(".breath"), head: all(".head"), back: all(".back"), features: all(".features"), front: all(".front"),
      shapes: all(".eye-shape"), tops: all(".eye-top"), bottoms: all(".eye-bottom"), irises: all(".iris"),
      flicks: all(".flick"), brows: all(".brow"), cheeks: all(".cheek"), mouths: all(".mouth-shape"),
      tongue: all(".tongue"), tear: all(".tear"), sweat: all(".sweat"),
    };
    /** @type {Feeling} */ this.target = { ...NEUTRAL };
    /** @type {Feeling} */ this.now = { ...NEUTRAL };
    this.mouth = 0;
    this.asleep = false;
    this.feeling = "neutral";
    this.gaze = { x: 0, y: 0 };
    this.pointer = { x: 0, y: 0, until: 0 };
    this.blinkAt = 2;
    this.last = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    addEventListener("pointermove", (event) => this.#look(event), { passive: true });
    requestAnimationFrame((time) => this.#frame(time));
  }

  /** Show a feeling by one of the eight names. */
  feel(name) {
    this.feeling = name;
    this.target = { ...NEUTRAL, ...FEELINGS[name], ...(this.asleep ? ASLEEP : {}) };
    this.svg.dataset.feeling = name;
  }

  /** Fall asleep, or wake up. @param {boolean} asleep */
  sleep(asleep) {
    this.asleep = asleep;
    this.svg.dataset.asleep = asleep ? "yes" : "no";
    this.feel(this.feeling);
  }

  /**
   * Hair and what is worn, in words such as "long parted" and "monocle tie". Hair of which nothing is said goes
   * by a number, the same each time.
   */
  dress(hair, wears, seed) {
    const pick = (cuts, usual) => cuts.find((cut) => hair.includes(cut)) ?? cuts[usual];
    this.svg.dataset.back = pick(["bob", "long", "buns", "short", "none"], seed % 3);
    this.svg.dataset.front = pick(["fringe", "parted", "swept", "none"], (seed >> 2) % 2);
    this.svg.dataset.wears = wears;
  }

  /** Look at the pointer, for as long as it has moved lately. */
  #look(event) {
    const box = this.svg.getBoundingClientRect();
    if (!box.width) return;
    const x = (event.clientX - box.left - box.width / 2) / innerWidth * 2;
    const y = (event.clientY - box.top - box.height * .47) / innerHeight * 2;
    this.pointer = { x: Math.max(-1, Math.min(1, x)), y: Math.max(-1, Math.min(1, y)), until: performance.now() + 6000 };
  }

  #frame(time) {
    requestAnimationFrame((next) => this.#frame(next));
    const loud = this.loudness();
    // Thirty frames a second are plenty for breathing; speech gets all of them.
    if (time - this.last < 30 && !loud && this.mouth < .02) return;
    const passed = Math.min(.1, (time - this.last) / 1000);
    this.last = time;
    const quick = this.still.matches ? 1 : 1 - Math.exp(-passed * 9);
    for (const key of Object.keys(NEUTRAL)) this.now[key] = mix(this.now[key], this.target[key], quick);
    // A mouth opens faster than it shuts.
    this.mouth = mix(this.mouth, loud, 1 - Math.exp(-passed * (loud > this.mouth ? 38 : 20)));
    this.#aim(time, passed);
    this.#draw(time / 1000);
  }

  #aim(time, passed) {
    const seconds = time / 1000;
    const calm = this.still.matches;
    // Asleep nobody looks at a pointer; the head sinks.
    const to = calm ? { x: 0, y: 0 } : this.asleep ? { x: wander(seconds * .2) * .2, y: .9 } : time < this.pointer.until ? this.pointer
      : { x: wander(seconds * .5) * .5, y: wander(seconds * .37 + 9) * .25 };
    const share = 1 - Math.exp(-passed * 6);
    this.gaze = { x: mix(this.gaze.x, to.x, share), y: mix(this.gaze.y, to.y, share) };
    if (seconds > this.blinkAt + .22) this.blinkAt = seconds + 1.6 + Math.random() * 4;
  }

  /** How far the lids are open in a blink that takes 0.2 s, 1..0..1. */
  #blink(seconds) {
    const into = (seconds - this.blinkAt) / .2;
    return this.still.matches || into < 0 || into > 1 ? 1 : Math.abs(into * 2 - 1) ** 1.5;
  }

  #draw(seconds) {
    const { parts, now, gaze } = this;
    const moving = this.still.matches ? 0 : 1;
    const breath = Math.sin(seconds * 1.5) * moving;
    const tilt = (gaze.x * 3.2 + wander(seconds * .7) * 1.4) * moving;
    const nod = this.mouth * 3 * moving;
    set(parts.breath, "transform", `translate(0 ${fixed(breath * 2.4)})`);
    set(parts.back, "transform", `rotate(${fixed(tilt * .7)} 240 460) translate(${fixed(-gaze.x * 3)} ${fixed(breath)})`);
    set(parts.head, "transform", `rotate(${fixed(tilt)} 240 460) translate(${fixed(gaze.x * 3)} ${fixed(gaze.y * 3 + nod + breath * 1.4)})`);
    set(parts.features, "transform", `translate(${fixed(gaze.x * 8)} ${fixed(gaze.y * 6)})`);
    set(parts.front, "transform", `translate(${fixed(gaze.x * 2.5)} ${fixed(gaze.y * 2)})`);
    this.#drawEyes(this.#blink(seconds));
    this.#drawMouth();
    set(parts.cheeks, "opacity", now.blush.toFixed(2));
    set(parts.tear, "opacity", now.tear.toFixed(2));
    set(parts.sweat, "opacity", now.sweat.toFixed(2));
  }

  #drawEyes(blink) {
    const { parts, now, gaze } = this;
    const bottom = mix(50, -14, now.squint);
    // A shut lid meets the lower one: "‿" in a blink, "⌒" where joy has raised it.
    const top = mix(Math.min(bottom, 44), -66 * now.lid, blink * (1 - Math.max(0, now.squint - .6)));
    set(parts.shapes, "d", `M-30 2Q0 ${fixed(top)} 30 2Q0 ${fixed(bottom)}-30 2z`);
    set(parts.tops, "d", `M-30 2Q0 ${fixed(top)} 30 2`);
    set(parts.bottoms, "d", `M-22 ${fixed(8 - now.squint * 12)}Q0 ${fixed(bottom - 2)} 22 ${fixed(8 - now.squint * 12)}`);
    set(parts.irises, "transform", `translate(${fixed(gaze.x * 8)} ${fixed(gaze.y * 6 - 3)}) scale(${now.iris.toFixed(2)})`);
    const y = fixed(gaze.y * 6 + 232 + now.brow);
    set(parts.brows.slice(0, 1), "transform", `translate(${fixed(184 + gaze.x * 7)} ${y}) rotate(${fixed(now.slant)})`);
    set(parts.brows.slice(1), "transform", `translate(${fixed(296 + gaze.x * 7)} ${fixed(y - now.skew * 6)}) rotate(${fixed(-now.slant)})`);
  }

  #drawMouth() {
    const { parts, now } = this;
    const open = Math.max(this.mouth, now.open * (1 - this.mouth * .5));
    const wide = fixed(now.wide + 5 * Math.sin(open * 2.6) - 4 * open);
    const left = fixed(-now.curve * 6 + now.skew * 3), right = fixed(-now.curve * 6 - now.skew * 8);
    const upper = fixed(now.curve * 12 - open * 9), lower = fixed(now.curve * 12 + open * 58);
    set(parts.mouths, "d", `M${-wide} ${left}Q0 ${upper} ${wide} ${right}Q0 ${lower} ${-wide} ${left}z`);
    set(parts.tongue, "cy", String(fixed(14 + open * 14)));
  }
}

/** Touch the page only where something changed: an attribute that is set again is drawn again. */
function set(elements, name, value) {
  for (const element of elements) if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
