/** Puts the page together: who is told of what. Everything else is in the module of its noun. */

import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Conversation, make } from "./conversation.js";
import { Dialogue } from "./dialogue.js";
import { SpeechInput } from "./speech-input.js";
import { Face } from "./face.js";
import { Characters, Conversations, closable, icon, iconButton } from "./panels.js";
import { Playback } from "./playback.js";
import { Settings } from "./settings.js";
import { Later } from "./later.js";
import { SettingsSheet, backgroundUrl } from "./settings-sheet.js";
import { Stage } from "./stage.js";
import { Navigation } from "./navigation.js";
import { Outbox } from "./outbox.js";
import { WakeWords } from "./wake-words.js";
import { label, say, speak } from "./words.js";

/** An element of index.html. @param {string} id @returns {HTMLElement} */
function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

const settings = new Settings();
speak(settings.choices.language);

const connection = new Connection(() => settings.socket);
const playback = new Playback();
const face = new Face(find("face"), () => playback.level());
const stage = new Stage(face, find);
const conversation = new Conversation({ log: find("log"), scroll: find("scroll"), latest: find("latest") }, (path) => settings.at(path));
const dialogue = new Dialogue(connection, playback, conversation, stage);
const navigation = new Navigation(connection, conversation, dialogue);
const characters = new Characters(find, navigation);
const conversations = new Conversations(find, navigation);
const sheet = new SettingsSheet(find, settings);
const wakeWords = new WakeWords();
const composer = new Composer(find, { send: speakOrWait, stop: () => dialogue.bargeIn(), tell });
const there = () => connection.link === "open" && navigation.step === "here";
const outbox = new Outbox(find("waiting"), {
  connected: () => connection.link === "open",
  ready: () => there() && !navigation.loading && dialogue.turn === "idle",
  send: (text, pictures) => dialogue.say(text, pictures),
  takeBack: (waiting) => composer.takeBack(waiting),
  sign: () => icon("i-undo"),
});
const speechInput = new SpeechInput(find("mic"), connection, settings, {
  bargeIn: () => dialogue.bargeIn(), tell, pictures: () => composer.takePictures(), changed: () => {
    showState();
    if (speechInput.hears) later.hears();
  },
});
const later = new Later(find, { connection, playback, dialogue, speechInput, settings, tell });

/** Say it now, or as soon as somebody is there and what was said before is answered; false if there is no room to wait. */
function speakOrWait(text, pictures) {
  return there() && !outbox.holds ? dialogue.say(text, pictures) : outbox.put(text, pictures);
}

/* ---- what the server says ---- */

connection.addEventListener("message", (event) => {
  const message = event.detail;
  switch (message.type) {
    case "set-model-and-conf":
      stage.show(message.model_info ?? {}, String(message.conf_name), String(message.conf_uid), (path) => settings.at(path));
      break;
    case "full-text":
      // "Thinking..." and "Connection established" the page says in its own words.
      news = /^(Thinking|Connection established)/.test(message.text) ? "" : String(message.text ?? "");
      showState();
      break;
    case "config-files": characters.take(message.configs); break;
    case "hello":
    case "history-list":
    case "history-renamed": conversations.take(message); break;
    case "background-files": sheet.take(message.files); break;
    case "wake-words":
    case "wake-word-state": showSleep(wakeWords.take(message)); break;
    case "mic-format": speechInput.agree(message); break;
    case "error":
      outbox.answered();
      fail(String(message.code ?? ""), String(message.message ?? ""));
      break;
    case "control":
      if (message.text === "start-mic") speechInput.startAsBefore();
      if (message.text === "stop-mic") speechInput.shut();
      if (message.text === "mic-audio-end") speechInput.end();
  }
  later.take(message);
  navigation.take(message);
  dialogue.take(message);
  outbox.flush();
});

connection.addEventListener("bytes", (event) => dialogue.hear(event.detail));

function fail(code, message) {
  // Our `hello` or our offer of bytes, to a server that knows nothing of them: then it is JSON.
  if (code === "unknown-type" || navigation.excuse(code) || conversations.excuse(code)) return;
  if (code !== "bad-config" || !characters.refuse(message)) tell(message);
}

/** Words for the person, above the conversation, until they are put away or a while has passed. */
function tell(words) {
  const notice = make("div", "notice");
  notice.append(make("p", "", words), iconButton("i-close", "close", () => notice.remove()));
  const places = find("notices");
  for (const old of places.children) if (old.querySelector("p")?.textContent === words) old.remove();
  places.append(notice);
  if (places.childElementCount > 3) places.firstElementChild?.remove();
  // On a kiosk there is nobody to put it away.
  setTimeout(() => notice.remove(), 20_000);
}

/* ---- the line ---- */

let seconds = 0;
/** What the server says of itself, until the next turn. */
let news = "";
connection.addEventListener("link", (event) => {
  const { link, seconds: wait } = event.detail;
  seconds = wait;
  news = "";
  if (link === "open") navigation.arrive();
  if (link === "lost") {
    wakeWords.forget();
    dialogue.lose();
    speechInput.forget();
    outbox.answered();
  }
  outbox.show();
  showSleep(false);
});

/* ---- what the person sees of all this ---- */

function showState() {
  const app = find("app");
  app.dataset.link = connection.link;
  app.dataset.turn = dialogue.turn;
  app.dataset.busy = navigation.loading ? "yes" : "no";
  const stops = dialogue.turn !== "idle" && !find("text").value;
  label(find("send"), stops ? "stop" : "send");
  find("state-words").textContent = stateInWords();
  const word = wakeWords.asleep ? wakeWords.word(settings.choices.language) : "";
  find("opening-line").textContent = word ? say("openingAsleep", { word }) : say(speechInput.hears ? "openingHearing" : "opening");
}

/** Asleep looks asleep. @param {boolean} unheard something was said that the character did not hear */
function showSleep(unheard) {
  const { asleep } = wakeWords, word = wakeWords.word(settings.choices.language), { name } = navigation.character;
  face.sleep(asleep);
  find("app").dataset.asleep = asleep ? "yes" : "no";
  if (unheard) conversation.note(say(word ? "sleptThroughUntil" : "sleptThrough", { name, word }));
  else if (!asleep) conversation.note("");
  showStarters();
  showState();
}

function stateInWords() {
  if (connection.refused) return say("refused");
  if (connection.link === "connecting") return say("connecting");
  if (connection.link === "lost") return seconds ? say("lost", { seconds }) : say("retrying");
  if (navigation.loading) return say("arriving");
  if (dialogue.turn !== "idle") return say(dialogue.turn);
  if (news) return news;
  const word = wakeWords.word(settings.choices.language);
  if (wakeWords.asleep) return word ? say("asleepUntil", { word }) : say("asleep");
  return say(speechInput.hears ? "hearing" : "ready");
}

dialogue.addEventListener("turn", () => {
  news = "";
  if (dialogue.turn === "idle") outbox.answered();
  showState();
});
find("text").addEventListener("input", showState);
addEventListener("keydown", (event) => {
  // In a sheet, Escape closes that.
  if (event.key === "Escape" && !document.querySelector("dialog[open]") && !event.defaultPrevented) dialogue.bargeIn();
});
dialogue.addEventListener("ended", () => conversations.refresh());
navigation.addEventListener("loading", showState);
navigation.addEventListener("moved", () => {
  news = "";
  showState();
});

function showStarters() {
  const word = wakeWords.asleep ? wakeWords.word(settings.choices.language) : "";
  const starters = word ? [word] : ["starter1", "starter2", "starter3"].map((key) => say(key));
  find("starters").replaceChildren(...starters.map((words) => make("button", "", words, () => speakOrWait(words, []) || tell(say("notSent")))));
}

/* ---- sound ---- */

function showSound() {
  const { muted, volume } = settings.choices;
  // Ears hear in decibels: the square makes the slider's middle sound like half.
  playback.volume = muted ? 0 : (volume / 100) ** 2;
  find("mute").setAttribute("aria-pressed", String(muted));
  find("mute").replaceChildren(icon(muted ? "i-mute" : "i-loud"));
}

async function unlock() {
  if (await playback.unlock()) find("sound-hint").hidden = true;
}

playback.addEventListener("blocked", () => {
  find("sound-hint").hidden = false;
});
for (const press of ["pointerdown", "keydown"]) addEventListener(press, unlock, { passive: true });
find("mute").addEventListener("click", () => settings.choose("muted", !settings.choices.muted));

/* ---- settings ---- */

function showTheme() {
  document.documentElement.dataset.theme = settings.choices.theme;
}

function showBackground() {
  const { background } = settings.choices;
  stage.background(background ? backgroundUrl(background, settings) : null);
}

settings.addEventListener("change", (event) => {
  const changed = event.detail;
  if (changed === "theme") showTheme();
  if (changed === "volume" || changed === "muted") showSound();
  if (changed === "background") showBackground();
  if (changed === "server") {
    outbox.takeAllBack();
    connection.open();
  }
  if (changed === "language") {
    speak(settings.choices.language);
    for (const part of [characters, conversations, sheet, outbox, later]) part.show();
    showStarters();
    showState();
  }
});

closable(find("camera"));
showTheme();
showSound();
showBackground();
showStarters();
playback.warm();
connection.open();
showState();
// A phone's keyboard would cover the page before anything was seen of it.
if (matchMedia("(pointer: fine)").matches) find("text").focus();
