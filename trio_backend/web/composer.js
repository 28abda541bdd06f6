/** Where the person writes: text with a history, pictures from everywhere. */

import { make } from "./conversation.js";
import { frameOf, lookAtScreen, shrink, stop } from "./images.js";
import { label, say } from "./words.js";
import { place, remember } from "./settings.js";

/** @typedef {import("./dialogue.js").Picture} Picture */

const MOST_PICTURES = 4, MOST_LINES = 50;

export class Composer {
  /**
   * @param {{send: (text: string, pictures: Picture[]) => boolean, stop: () => void, tell: (words: string) => void}} outward
   *   `send` is false if it could not be sent: then everything stays where it is; `stop` is for sending nothing
   */
  constructor(find, outward) {
    this.form = find("composer");
    this.text = find("text");
    this.tray = find("pictures");
    this.menu = find("attach-menu");
    this.attach = find("attach");
    this.file = find("file");
    this.camera = find("camera");
    this.view = find("camera-view");
    this.outward = outward;
    /** @type {Picture[]} */ this.pictures = [];
    /** What was sent before; `at` is where in it the arrow keys are. @type {string[]} */
    this.lines = [];
    this.at = 0;
    const { draft, waiting } = place();
    this.text.value = [...(Array.isArray(waiting) ? waiting : []), draft].filter(Boolean).join("\n");
    remember({ draft: this.text.value });
    this.#listenToText();
    this.#listenToPictures(find);
    this.#listenToMenu();
    this.#grow();
  }

  /** The pictures that go with what is said next; they are gone from here then. */
  takePictures() {
    const { pictures } = this;
    this.pictures = [];
    this.#showPictures();
    return pictures;
  }

  /** What was to be sent is here again, before what has been written since. @param {{text: string, pictures: Picture[]}} waiting */
  takeBack({ text, pictures }) {
    this.#write([text, this.text.value].filter(Boolean).join("\n"));
    this.pictures = [...pictures, ...this.pictures].slice(0, MOST_PICTURES);
    this.#showPictures();
    this.text.focus();
  }

  #submit() {
    const text = this.text.value.trim();
    if (!text && !this.pictures.length) return this.outward.stop();
    if (!this.outward.send(text, this.pictures)) return this.outward.tell(say("notSent"));
    if (text && this.lines.at(-1) !== text) this.lines.push(text);
    this.lines.splice(0, this.lines.length - MOST_LINES);
    this.at = this.lines.length;
    this.takePictures();
    this.#write("");
  }

  #write(text) {
    this.text.value = text;
    remember({ draft: text });
    this.#grow();
  }

  /** Where the style sheet cannot make the field as high as its text, this does. */
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  #listenToText() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.text.addEventListener("input", () => {
      remember({ draft: this.text.value });
      this.at = this.lines.length;
      this.#grow();
    });
    this.text.addEventListener("keydown", (event) => {
      // Enter that ends the choice of a character in Chinese or Japanese sends nothing.
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        this.#submit();
      } else if (event.key === "ArrowUp" && (this.text.value === "" || this.at < this.lines.length)) {
        this.#recall(event, this.at - 1);
      } else if (event.key === "ArrowDown" && this.at < this.lines.length) {
        this.#recall(event, this.at + 1);
      }
    });
  }

  #recall(event, at) {
    if (at < 0 || at > this.lines.length) return;
    event.preventDefault();
    this.at = at;
    this.#write(this.lines[at] ?? "");
    this.text.setSelectionRange(this.text.value.length, this.text.value.length);
  }

  #listenToPictures(find) {
    addEventListener("paste", (event) => this.#addFiles(event.clipboardData?.files, "clipboard", event));
    addEventListener("dragover", (event) => {
      event.preventDefault();
      this.form.classList.add("over");
    });
    addEventListener("dragleave", () => this.form.classList.remove("over"));
    addEventListener("drop", (event) => {
      this.form.classList.remove("over");
      this.#addFiles(event.dataTransfer?.files, "upload", event);
    });
    this.file.addEventListener("change", async () => {
      await this.#addFiles(this.file.files, "upload");
      this.file.value = "";
    });
    find("from-file").addEventListener("click", () => this.file.click());
    find("from-screen").addEventListener("click", () => this.#fromScreen());
    find("from-camera").addEventListener("click", () => this.#openCamera());
    find("camera-take").addEventListener("click", () => {
      this.#add(frameOf(this.view), "camera");
      this.camera.close();
    });
    this.camera.addEventListener("close", () => {
      if (this.view.srcObject instanceof MediaStream) stop(this.view.srcObject);
      this.view.srcObject = null;
    });
  }

  async #addFiles(files, source, event = new Event("none")) {
    // A drop that nobody takes would make the browser leave the page for the file.
    if (event.type === "drop" || files?.length) event.preventDefault();
    for (const file of [...(files ?? [])].slice(0, MOST_PICTURES + 1)) {
      try {
        this.#add(await shrink(file), source);
      } catch {
        this.outward.tell(say("badPicture"));
      }
    }
  }

  async #fromScreen() {
    try {
      this.#add(await lookAtScreen(), "screen");
    } catch {
      this.outward.tell(say(navigator.mediaDevices ? "screenRefused" : "micInsecure"));
    }
  }

  async #openCamera() {
    try {
      this.view.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
      this.camera.showModal();
    } catch {
      this.outward.tell(say(navigator.mediaDevices ? "cameraRefused" : "micInsecure"));
    }
  }

  #add(data, source) {
    if (this.pictures.length >= MOST_PICTURES) return this.outward.tell(say("manyPictures"));
    this.pictures.push({ source, data, mime_type: "image/jpeg" });
    this.#showPictures();
    this.text.focus();
  }

  #showPictures() {
    this.tray.hidden = !this.pictures.length;
    this.tray.replaceChildren(...this.pictures.map((picture) => {
      const item = make("li"), image = make("img"), away = make("button", "round", "×", () => {
        this.pictures = this.pictures.filter((one) => one !== picture);
        this.#showPictures();
        this.text.focus();
      });
      image.src = picture.data;
      image.alt = say("picture");
      label(away, "remove");
      item.append(image, away);
      return item;
    }));
  }

  #listenToMenu() {
    const items = [...this.menu.querySelectorAll("[role=menuitem]")];
    const show = (open) => {
      this.menu.hidden = !open;
      this.attach.setAttribute("aria-expanded", String(open));
      if (open) items[0].focus();
    };
    this.attach.addEventListener("click", () => show(this.menu.hidden));
    this.menu.addEventListener("click", () => {
      show(false);
      this.text.focus();
    });
    this.menu.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const at = items.indexOf(document.activeElement);
      if (step) items.at((at + step) % items.length)?.focus();
      if (event.key === "Escape") this.attach.focus();
      if (event.key === "Escape" || event.key === "Tab") show(false);
      if (step || event.key === "Escape") event.preventDefault();
    });
    addEventListener("pointerdown", (event) => {
      const target = event.target;
      if (!this.menu.contains(target) && !this.attach.contains(target)) show(false);
    });
  }
}
