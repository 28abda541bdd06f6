/** The two lists: characters to switch to, conversations to open and delete. */

import { make } from "./conversation.js";
import { hueOf } from "./stage.js";
import { place } from "./settings.js";
import { label, say } from "./words.js";

/** Open a sheet with its button, close it with its cross or a press beside it. */
export function openWith(button, sheet, before = () => {}) {
  button.setAttribute("aria-haspopup", "dialog");
  button.addEventListener("click", () => {
    before();
    sheet.showModal();
  });
  closable(sheet);
}

export function closable(sheet) {
  sheet.querySelector("[data-close]")?.addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => {
    // The sheet itself is the target only where none of its content is: on the backdrop, or its own edge.
    const box = sheet.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target === sheet && !inside) sheet.close();
  });
}

/** One row of a list: a button with a title and a line under it. */
function row(title, under, sign = null) {
  const item = make("li", "item"), pick = make("button", "pick"), text = make("span", "text");
  pick.type = "button";
  text.append(make("span", "title", title));
  if (under) text.append(make("span", "under", under));
  if (sign) pick.append(sign);
  pick.append(text);
  item.append(pick);
  return { item, pick };
}

export class Characters {
  constructor(find, navigation) {
    this.sheet = find("characters");
    this.list = find("character-list");
    this.status = find("switching");
    this.navigation = navigation;
    /** @type {{filename: string, name: string}[]} */ this.known = [];
    navigation.addEventListener("loading", () => this.show());
    navigation.addEventListener("moved", () => this.show());
    openWith(find("open-characters"), this.sheet, () => navigation.connection.send({ type: "fetch-configs" }));
  }

  /** These are the characters there are. @param {any} configs */
  take(configs) {
    this.known = Array.isArray(configs) ? configs : [];
    this.show();
  }

  show() {
    const { loading } = this.navigation;
    const coming = this.known.find((one) => one.filename === loading);
    this.status.hidden = !loading;
    this.status.textContent = loading ? say("loadingOne", { name: coming?.name ?? loading }) : "";
    const here = this.#here();
    const focused = this.list.contains(document.activeElement) ? [...this.list.querySelectorAll(".pick")].indexOf(document.activeElement) : -1;
    this.list.replaceChildren(...this.known.map((one) => this.#row(one, one === here)));
    // The list is made anew while somebody may be in it with the keyboard.
    if (focused >= 0) this.list.querySelectorAll(".pick")[focused]?.focus();
  }

  /** Why somebody cannot come, where the person looks; false if that is not here. */
  refuse(why) {
    this.status.textContent = why;
    this.status.hidden = !this.sheet.open;
    return this.sheet.open;
  }

  /** Who is here: the file we switched to, or else the first of that name. */
  #here() {
    const { file, character } = place();
    const { name, uid } = this.navigation.character;
    return this.known.find((one) => character === uid && one.filename === file) ?? this.known.find((one) => one.name === name);
  }

  #row({ filename, name }, here) {
    const busy = this.navigation.loading === filename;
    const swatch = make("span", "swatch", [...name][0] ?? "·");
    swatch.setAttribute("aria-hidden", "true");
    swatch.style.setProperty("--own", String(here ? getComputedStyle(document.documentElement).getPropertyValue("--hue") : hueOf(name)));
    const { item, pick } = row(name, busy ? say("arriving") : here ? say("here") : filename, swatch);
    item.classList.toggle("busy", busy);
    pick.setAttribute("aria-current", String(here));
    pick.addEventListener("click", () => {
      if (busy || (here && !this.navigation.loading)) return;
      // Choosing who is here already is how one changes one's mind.
      this.navigation.switchTo(filename);
    });
    return item;
  }
}

export class Conversations {
  constructor(find, navigation) {
    this.sheet = find("conversations");
    this.list = find("conversation-list");
    this.none = find("no-conversations");
    this.older = find("older-conversations");
    this.navigation = navigation;
    /** @type {any[]} */ this.known = [];
    /** Older ones were asked for. */
    this.waiting = false;
    /** The one whose row asks whether it is to be deleted. */
    this.asked = "";
    navigation.addEventListener("moved", () => this.show());
    openWith(find("open-conversations"), this.sheet, () => {
      this.asked = "";
      this.refresh();
    });
    this.older.addEventListener("click", () => {
      this.waiting = navigation.connection.send({ type: "fetch-history-list", before: this.known.at(-1)?.uid });
    });
    find("new-conversation").addEventListener("click", () => {
      navigation.begin();
      this.sheet.close();
    });
  }

  refresh() {
    this.navigation.connection.send({ type: "fetch-history-list" });
  }

  /** The newest conversations, or those that follow the one `before`. @param {any} message */
  take({ histories, before, more }) {
    const found = Array.isArray(histories) ? histories : [], shown = this.known.length;
    // An answer about a list that is not shown any more, or to another page in the same room.
    if (before && before !== this.known.at(-1)?.uid) return;
    this.waiting = false;
    const fresh = found.filter((one) => !this.known.some((other) => other.uid === one.uid));
    this.known = before ? [...this.known, ...fresh] : found;
    this.show();
    // Who has pressed the button reads on where the new ones begin.
    if (before && document.activeElement === this.older) this.list.children[shown]?.querySelector(".pick").focus();
    this.older.hidden = !more;
  }

  /** An error of the server; true if the last one shown was deleted elsewhere, and the list comes anew. */
  excuse(code) {
    const gone = this.waiting && code === "no-such-history";
    this.waiting = false;
    if (gone) this.refresh();
    return gone;
  }

  show() {
    // The list may come anew between the question and its answer.
    const answering = document.activeElement?.closest(".sure");
    this.none.hidden = this.known.length > 0;
    this.list.replaceChildren(...this.known.map((one) => this.#row(one)));
    if (answering) this.list.querySelector(".sure button:last-of-type")?.focus();
  }

  #row({ uid, latest_message: latest, timestamp, title }) {
    // An older server gives no titles, and a conversation in which the person said nothing has none.
    const { item, pick } = row(title || latest?.content || "…", when(latest?.timestamp ?? timestamp));
    pick.setAttribute("aria-current", String(uid === place().conversation));
    pick.addEventListener("click", () => {
      this.navigation.resume(uid);
      this.sheet.close();
    });
    const bin = make("button", "round");
    bin.type = "button";
    bin.append(icon("i-bin"));
    label(bin, "remove1");
    bin.addEventListener("click", () => this.#ask(item, uid));
    item.append(bin);
    if (uid === this.asked) this.#ask(item, uid);
    return item;
  }

  /** Gone is gone: the row itself asks once more. */
  #ask(item, uid) {
    this.asked = uid;
    const sure = make("div", "sure"), yes = make("button", "small danger", say("yesDelete")), no = make("button", "small", say("noKeep"));
    yes.type = no.type = "button";
    sure.append(make("p", "", say("sure")), yes, no);
    sure.setAttribute("role", "group");
    sure.setAttribute("aria-label", say("sure"));
    yes.addEventListener("click", () => {
      this.asked = "";
      this.navigation.connection.send({ type: "delete-history", history_uid: uid });
      this.sheet.querySelector("#new-conversation").focus();
    });
    no.addEventListener("click", () => {
      this.asked = "";
      this.show();
    });
    item.replaceChildren(sure);
    no.focus();
  }
}

/** One of the icons that index.html draws. */
export function icon(id) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

/** A time as one says it: "3 hours ago", and the date once that is longer ago. */
function when(timestamp) {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return "";
  const minutes = (date.getTime() - Date.now()) / 60_000;
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  if (minutes > -60) return relative.format(Math.min(0, Math.round(minutes)), "minute");
  if (minutes > -60 * 24) return relative.format(Math.round(minutes / 60), "hour");
  if (minutes > -60 * 24 * 7) return relative.format(Math.round(minutes / 60 / 24), "day");
  return date.toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
}
