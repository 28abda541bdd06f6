/** The two lists: characters to switch to, conversations to open, rename and delete. */

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

/** Give a sheet its cross, and a title, which is the word of its id, where it has none. */
export function closable(sheet) {
  if (!sheet.querySelector("header")) {
    const header = make("header"), title = make("h2", "", say(sheet.id));
    title.setAttribute("data-word", sheet.id);
    header.append(title, iconButton("i-close", "close", () => sheet.close()));
    sheet.prepend(header);
    label(sheet, sheet.id);
  }
  sheet.querySelector("[data-close]")?.addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => {
    // The sheet itself is the target only where none of its content is: on the backdrop, or its own edge.
    const box = sheet.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target === sheet && !inside) sheet.close();
  });
}

/** One row of a list: a button with a title and a line under it. */
function row(title, under, press, sign = null) {
  const item = make("li", "item"), pick = make("button", "pick", "", press), text = make("span", "text");
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
    const { item, pick } = row(name, busy ? say("arriving") : here ? say("here") : filename, () => {
      if (busy || (here && !this.navigation.loading)) return;
      // Choosing who is here already is how one changes one's mind.
      this.navigation.switchTo(filename);
    }, swatch);
    item.classList.toggle("busy", busy);
    pick.setAttribute("aria-current", String(here));
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
    /** Something was asked of one that is shown. */
    this.waiting = false;
    /** The one whose row asks whether it is to be deleted. */
    this.asked = "";
    /** The server knows how to rename. */
    this.renames = false;
    /** A row is a field in which somebody types. */
    this.editing = false;
    navigation.addEventListener("moved", () => this.show());
    openWith(find("open-conversations"), this.sheet, () => {
      this.#leave();
      this.refresh();
    });
    this.older.addEventListener("click", () => {
      this.#send("fetch-history-list", { before: this.known.at(-1)?.uid });
    });
    find("new-conversation").addEventListener("click", () => {
      navigation.begin();
      this.sheet.close();
    });
  }

  refresh() {
    this.#send("fetch-history-list");
  }

  /** What the server can do, a new title, or a list: see `#list`. @param {any} message */
  take(message) {
    if (message.type === "history-list") return this.#list(message);
    this.waiting = false;
    if (message.type === "hello") this.renames = Boolean(message.accepts?.includes("history-renamed"));
    else for (const one of this.known) if (one.uid === message.history_uid) one.title = message.title;
    this.show();
  }

  /** The newest conversations, or those that follow the one `before`. */
  #list({ histories, before, more }) {
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

  /** An error of the server; true if one that is shown was deleted elsewhere, and the list comes anew. */
  excuse(code) {
    const gone = this.waiting && code === "no-such-history";
    this.waiting = false;
    if (gone) this.refresh();
    return gone;
  }

  show() {
    // Who types keeps the field as it is, a half-written letter of theirs too.
    if (this.editing) return;
    // The list may come anew while somebody is in it with the keyboard, or between a question and its answer.
    const focused = document.activeElement, row = [...this.list.children].find((one) => one.contains(focused));
    const button = [...row?.querySelectorAll("button") ?? []].indexOf(focused);
    this.none.hidden = this.known.length > 0;
    this.list.replaceChildren(...this.known.map((one) => this.#row(one)));
    if (row) this.#rowOf(row.dataset.uid)?.querySelectorAll("button")[button]?.focus();
  }

  #row({ uid, latest_message: latest, timestamp, title }) {
    // An older server gives no titles, and a conversation in which the person said nothing has none.
    const shown = title || latest?.content || "…";
    const { item, pick } = row(shown, when(latest?.timestamp ?? timestamp), () => {
      this.navigation.resume(uid);
      this.sheet.close();
    });
    item.dataset.uid = uid;
    pick.setAttribute("aria-current", String(uid === place().conversation));
    const alone = (turn) => () => {
      // Another row may be asking, and the list is made anew.
      this.#leave();
      turn(this.#rowOf(uid));
    };
    if (this.renames) {
      const rename = alone((row) => this.#rename(row, uid, shown));
      item.append(iconButton("i-pen", "rename", rename));
      pick.addEventListener("keydown", ({ key }) => key === "F2" && rename());
    }
    item.append(iconButton("i-bin", "remove1", alone((row) => this.#ask(row, uid))));
    if (uid === this.asked) this.#ask(item, uid);
    return item;
  }

  /** The row becomes a field: Enter saves, Escape keeps the title. */
  #rename(item, uid, title) {
    this.editing = true;
    const form = make("form", "sure"), field = make("input"), save = make("button", "small", say("save"));
    save.type = "submit";
    // As many as the server takes, and no half of an emoji.
    field.maxLength = 120;
    field.value = title = title.slice(0, 120).replace(/[\ud800-\udbff]$/, "");
    field.placeholder = say("titleOf");
    field.setAttribute("aria-label", say("titleOf"));
    form.append(field, save, make("button", "small", say("noKeep"), () => this.#leave(uid)));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      // Untouched it stays what was said first. Without a line the field stays.
      if (field.value === title || this.#send("rename-history", { history_uid: uid, title: field.value })) this.#leave(uid);
    });
    form.addEventListener("keydown", (event) => {
      // The same key takes back a half-written letter, and closes the sheet.
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      this.#leave(uid);
    });
    item.replaceChildren(form);
    form.scrollIntoView({ block: "nearest" });
    field.select();
  }

  /** No row is anything else any more; that of `uid` gets the focus. */
  #leave(uid = "") {
    this.asked = "";
    this.editing = false;
    this.show();
    this.#rowOf(uid)?.querySelector("button").focus();
  }

  #rowOf(uid) {
    return [...this.list.children].find((one) => one.dataset.uid === uid);
  }

  /** Gone is gone: the row itself asks once more. */
  #ask(item, uid) {
    this.asked = uid;
    const sure = make("div", "sure"), no = make("button", "small", say("noKeep"), () => this.#leave(uid));
    sure.append(make("p", "", say("sure")), make("button", "small danger", say("yesDelete"), () => {
      this.asked = "";
      this.#send("delete-history", { history_uid: uid });
      this.sheet.querySelector("#new-conversation").focus();
    }), no);
    sure.setAttribute("role", "group");
    sure.setAttribute("aria-label", say("sure"));
    item.replaceChildren(sure);
    no.focus();
  }

  #send(type, fields = {}) {
    return this.waiting = this.navigation.connection.send({ type, ...fields });
  }
}

/** A round button, whose icon has the name of `word`. */
export function iconButton(sign, word, press) {
  const button = make("button", "round", "", press);
  button.append(icon(sign));
  label(button, word);
  return button;
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
  const date = new Date(timestamp), minutes = (date.getTime() - Date.now()) / 60_000, { lang } = document.documentElement;
  if (Number.isNaN(minutes)) return "";
  const relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  for (const [unit, long, most] of [["minute", 1, 60], ["hour", 60, 24 * 60], ["day", 24 * 60, 7 * 24 * 60]]) {
    if (minutes > -most) return relative.format(Math.min(0, Math.round(minutes / long)), unit);
  }
  return date.toLocaleDateString(lang, { dateStyle: "medium" });
}
