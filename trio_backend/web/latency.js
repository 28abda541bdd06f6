/** Where the time of a reply went: a small clock beside who speaks, and behind it the stages. */

import { make } from "./conversation.js";
import { icon } from "./panels.js";
import { label, say } from "./words.js";

/** The stages that have words of their own; one of a newer server shows its name. */
const STAGES = ["end_of_turn", "transcript", "first_token", "first_sentence", "sound_made", "sound_sent", "sound_played"];

let count = 0;

/**
 * Put the clock on a bubble, in place of one that is there. Nothing if there is no stage.
 * @param {HTMLElement} bubble
 * @param {Record<string, unknown>} message stages in ms, in the order in which they happened, and its `type`
 */
export function showLatency(bubble, message) {
  const stages = Object.entries(message).flatMap(([stage, ms]) => typeof ms === "number" && ms >= 0 ? [{ stage, ms }] : []);
  const whole = stages.reduce((sum, { ms }) => sum + ms, 0);
  if (!whole) return;
  for (const old of bubble.querySelectorAll(".clock, .stages")) old.remove();
  const panel = panelOf(stages, whole), clock = clockOf(whole);
  panel.id = `stages-${++count}`;
  clock.setAttribute("aria-controls", panel.id);
  // The conversation is read aloud as it grows; this is for who asks.
  for (const part of [panel, clock]) part.setAttribute("aria-live", "off");
  const who = bubble.querySelector(".who") ?? bubble.insertBefore(make("p", "who"), bubble.firstChild);
  who.append(clock);
  bubble.append(panel);
  const open = (yes) => {
    panel.hidden = !yes;
    clock.setAttribute("aria-expanded", String(yes));
    if (yes) panel.scrollIntoView({ block: "nearest" });
  };
  clock.addEventListener("click", () => open(panel.hidden));
  for (const part of [panel, clock]) {
    part.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || panel.hidden) return;
      // Escape also silences the character.
      event.preventDefault();
      open(false);
    });
  }
  open(false);
}

/** The button: a clock, and the whole time. */
function clockOf(whole) {
  const button = make("button", "clock");
  // The name begins with what is seen, so that who speaks to their computer can say it.
  const name = make("span", "unseen");
  name.setAttribute("data-word", "whereTimeWent");
  name.textContent = say("whereTimeWent");
  button.append(icon("i-clock"), make("span", "", seconds(whole)), name);
  return button;
}

/** The stages one below the other; each bar begins where the one before ended, so that together they are the whole. */
function panelOf(stages, whole) {
  const panel = make("div", "stages"), list = make("ol");
  let at = 0;
  for (const { stage, ms } of stages) {
    const row = make("li"), name = make("span", "step"), track = make("span", "track"), bar = make("span", "bit");
    if (STAGES.includes(stage)) name.setAttribute("data-word", stage);
    name.textContent = STAGES.includes(stage) ? say(stage) : stage.replaceAll("_", " ");
    bar.style.setProperty("left", `${100 * at / whole}%`);
    bar.style.setProperty("width", `${100 * ms / whole}%`);
    track.setAttribute("aria-hidden", "true");
    track.append(bar);
    row.append(name, track, make("span", "ms", `${Math.round(ms)} ms`));
    list.append(row);
    at += ms;
  }
  label(list, "whereTimeWent");
  const total = make("p", "total"), name = make("span", "", say("toFirstSound"));
  name.setAttribute("data-word", "toFirstSound");
  total.append(name, make("span", "ms", `${Math.round(whole)} ms`));
  panel.append(list, total);
  return panel;
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(ms < 995 ? 2 : 1)} s`;
}
