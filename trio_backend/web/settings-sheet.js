/** The sheet where a person changes the settings. */

import { make } from "./conversation.js";
import { Microphone } from "./microphone.js";
import { openWith } from "./panels.js";
import { pathOf, serverOf } from "./settings.js";
import { say } from "./words.js";

export class SettingsSheet {
  constructor(find, settings) {
    this.settings = settings;
    this.find = find;
    /** @type {string[]} */ this.backgrounds = [];
    for (const key of ["language", "theme", "listening", "device"]) {
      const field = find(`set-${key}`);
      field.addEventListener("change", () => settings.choose(key, field.value));
    }
    const volume = find("set-volume");
    volume.addEventListener("input", () => {
      settings.choose("volume", Number(volume.value));
      // Who turns it up wants to hear.
      settings.choose("muted", false);
    });
    const server = find("set-server");
    server.addEventListener("change", () => {
      const right = !server.value.trim() || Boolean(serverOf(server.value));
      server.setCustomValidity(right ? "" : say("badServer"));
      if (server.reportValidity()) settings.choose("server", server.value.trim());
    });
    find("settings-form").addEventListener("submit", (event) => event.preventDefault());
    openWith(find("open-settings"), find("settings"), () => this.show());
  }

  /** These are the background images there are, as file names under /bg. @param {any} files */
  take(files) {
    this.backgrounds = Array.isArray(files) ? files.map(String) : [];
    this.#showBackgrounds();
  }

  async show() {
    const { choices } = this.settings;
    const field = (key) => this.find(`set-${key}`);
    field("language").value = choices.language;
    field("theme").value = choices.theme;
    field("volume").value = String(choices.volume);
    field("listening").value = choices.listening;
    field("server").value = choices.server;
    this.#showBackgrounds();
    const devices = await Microphone.list();
    field("device").replaceChildren(new Option(say("systemMicrophone"), ""), ...devices.map((device, at) => new Option(device.label || `${say("microphone")} ${at + 1}`, device.deviceId)));
    field("device").value = devices.some((device) => device.deviceId === choices.device) ? choices.device : "";
  }

  #showBackgrounds() {
    const place = this.find("backgrounds");
    for (const old of place.querySelectorAll("label")) old.remove();
    for (const file of ["", ...this.backgrounds]) {
      const choice = make("label"), input = make("input");
      input.type = "radio";
      input.name = "background";
      input.checked = file === this.settings.choices.background;
      input.addEventListener("change", () => this.settings.choose("background", file));
      choice.append(input, file ? this.#thumb(file) : make("span", "thumb", say("none")));
      place.append(choice);
    }
  }

  #thumb(file) {
    const image = make("img", "thumb");
    image.loading = "lazy";
    image.alt = file;
    image.src = backgroundUrl(file, this.settings).href;
    return image;
  }
}

/** Where a background image is. @param {string} file @param {import("./settings.js").Settings} settings */
export function backgroundUrl(file, settings) {
  return settings.at(pathOf("bg", file));
}
