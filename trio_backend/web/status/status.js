/** The operator's page: asks the server every two seconds what it does, as long as somebody looks. Changes nothing. */

const PERIOD = 2000, PATIENCE = 8000;

/** @typedef {{name: string, age: number|null, waits: string, nurseries: Task[][]}} Task */

const find = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const withToken = (path) => path + (token ? `?token=${encodeURIComponent(token)}` : "");

/** What comes from there: its text, or why there is none. @returns {Promise<{text: string, refused: string}>} */
async function ask(path) {
  const answer = await fetch(withToken(path), { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  const text = await answer.text();
  return answer.ok ? { text, refused: "" } : { text: "", refused: answer.status === 404 ? "switched off" : text.trim() };
}

/* ---- numbers ---- */

/** Prometheus' text as a list of samples. @returns {{name: string, labels: Record<string, string>, value: number}[]} */
function samplesOf(text) {
  return [...text.matchAll(/^trio_backend_(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
    name, value: Number(value), labels: Object.fromEntries([...(labels ?? "").matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, key, word]) => [key, word])),
  }));
}

/** The value below which this share of the values lies; NaN if there are none. */
function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

function time(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/* ---- the page is changed where something changed, so that whoever is in it with a keyboard stays where they are ---- */

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Give `parent` as many children as there are items, and fill each. */
function settle(parent, items, make, fill) {
  while (parent.childElementCount > items.length) parent.lastElementChild?.remove();
  items.forEach((item, at) => {
    if (!parent.children[at]) parent.append(make());
    fill(parent.children[at], item);
  });
}

/** An element with these children, each "tag.class". */
function build(tag, /** @type {string[]} */ ...parts) {
  const element = document.createElement(tag);
  for (const part of parts) {
    const [name, of = ""] = part.split(".");
    element.append(Object.assign(document.createElement(name), { className: of }));
  }
  return element;
}

function figures(id, pairs) {
  settle(find(id), pairs, () => build("div", "dt", "dd"), (element, [name, value]) => {
    write(element.children[0], name);
    write(element.children[1], value);
  });
}

function list(id, rows) {
  settle(find(id), rows, () => build("li", "span.what", "span.end", "meter", "span.under"), (element, { title, end = "", under = "", bad = false, fill }) => {
    const [what, last, meter, below] = [...element.children];
    write(what, title);
    write(last, end);
    write(below, under);
    below.hidden = !under;
    meter.hidden = !fill;
    if (fill) Object.assign(meter, { max: fill[1], value: fill[0], high: fill[1] * .8, optimum: 0, ariaLabel: `${fill[0]} of ${fill[1]}` });
    element.classList.toggle("bad", bad);
  });
}

/** One task with all it started; what is folded is not drawn. */
function tree(parent, tasks, depth) {
  const make = () => {
    const element = build("details", "summary", "div");
    element.open = depth < 3;
    element.children[0].append(document.createElement("b"), " ", document.createElement("i"));
    element.addEventListener("toggle", () => element.open && showTree());
    return element;
  };
  settle(parent, tasks, make, (element, { name, age, waits, nurseries }) => {
    const [summary, below] = element.children;
    const started = nurseries.flat();
    write(summary.children[0], name);
    write(summary.children[1], [started.length ? `▸ ${started.length}` : "", age === null ? "" : time(age), waits].filter(Boolean).join(" · "));
    element.classList.toggle("leaf", !started.length);
    if (element.open) tree(below, started, depth + 1);
  });
}

/* ---- what there is to see ---- */

/** The tree as it was last told. @type {Task|null} */
let root = null;
const showTree = () => tree(find("tree"), root ? [root] : [], 0);

/** Busy seconds of the event loop when last asked, and when that was. @type {[number, number]} */
let before = [NaN, 0];

function draw(seen) {
  root = seen.tree.root;
  const { process, loop, first_audio: sounds } = seen;
  const now = performance.now() / 1000;
  const busy = (loop.busy - before[0]) / (now - before[1]);
  before = [loop.busy, now];
  figures("figures", [
    ["sessions", String(seen.session_count)], ["WebSockets", String(seen.websockets)], ["idle connections", String(seen.idle_connections)], ["turns running", String(seen.turns_running)],
    ["tasks", String(seen.tree.tasks)], ["memory", `${Math.round(process.memory / 1e6)} MB`], ["children", String(process.children.length)],
    ["turns answered", seen.admission.limit === null ? String(seen.admission.answered) : `${seen.admission.answered} of ${seen.admission.limit}`],
    ["turns waiting", `${seen.admission.waiting}${seen.admission.overloaded ? " · overloaded" : ""}`], ["turns refused", String(seen.admission.refused)],
    ["loop busy", Number.isFinite(busy) ? `${Math.round(Math.min(1, Math.max(0, busy)) * 100)} %` : "–"], ["longest pass", time(loop.longest_pass)],
  ]);
  figures("quantiles", [["p50", time(quantile(sounds, .5))], ["p95", time(quantile(sounds, .95))], ["last", time(sounds.at(-1) ?? NaN)]]);
  spark(sounds);
  list("engines", seen.engines.map((one) => ({
    title: `${one.kind} ${one.name}`, end: `${one.state} · ${time(one.age)}`, bad: one.state === "closing",
    under: [`${one.leases} ${one.leases === 1 ? "lease" : "leases"}: ${one.lessees.join(", ")}`, ...one.members.map(ofList)].join(" · "),
  })));
  list("rooms", seen.rooms.map((one) => ({
    title: one.name, end: `${one.clients} ${one.clients === 1 ? "client" : "clients"}${one.busy ? " · a turn runs" : ""}`, fill: [one.waiting, one.capacity], under: `${one.waiting} of ${one.capacity} messages wait`,
  })));
  list("sessions", seen.sessions.map((title) => ({ title: title.slice(1, -1) })));
  list("warnings", seen.warnings.toReversed().map((one) => ({
    title: one.message, end: new Date(one.time).toLocaleTimeString(), under: [one.level.toLowerCase(), one.session].filter(Boolean).join(" · "), bad: one.level !== "WARNING",
  })));
  showTree();
}

/** An engine of a list: whether it is asked now, or for how long it is not. */
const ofList = (one) => `${one.name}: ${one.state}${one.left ? ` for ${time(one.left)}` : ""}`;

function spark(sounds) {
  const top = Math.max(...sounds, .1);
  const points = sounds.map((seconds, at) => `${(sounds.length > 1 ? at / (sounds.length - 1) : 1) * 600} ${92 - seconds / top * 88}`);
  const line = points.length ? `M${points.length > 1 ? points.join("L") : `0 ${points[0].split(" ")[1]}L${points[0]}`}` : "";
  find("spark").children[0].setAttribute("d", line && `${line}V96H0z`);
  find("spark").children[1].setAttribute("d", line);
  if (line) find("spark").setAttribute("aria-label", `The last ${sounds.length} turns, from ${time(Math.min(...sounds))} to ${time(Math.max(...sounds))}`);
}

/** Counters of turns that were begun before the user had certainly finished, and what they have cost. */
const SPECULATION = [
  ["turns_committed_total", "turns begun early: wanted"],
  ["turns_discarded_total", "turns begun early: not wanted"],
  ["wasted_tokens_total", "tokens not wanted"],
  ["wasted_sound_seconds_total", "seconds of sound not wanted"],
  ["recognitions_discarded_total", "recognitions not wanted"],
  ["speculation_resting", "characters that begin none now"],
];

/** What the metrics say; they are open to more people than the tasks are. */
function count(text, alone) {
  const samples = samplesOf(text);
  const of = (name, label) => samples.filter((one) => one.name === name && one.value).map((one) => ({ label: one.labels[label], value: one.value }));
  list("counts", [
    ...of("turns_total", "end").map(({ label, value }) => ({ title: `turns: ${label}`, end: String(value) })),
    ...SPECULATION.map(([name, title]) => ({ title, value: samples.find((one) => one.name === name)?.value })).filter(({ value }) => value).map(({ title, value }) => ({ title, end: String(Math.round(value * 10) / 10) })),
    ...of("errors_total", "code").map(({ label, value }) => ({ title: `error: ${label}`, end: String(value), bad: true })),
  ]);
  if (!alone) return;
  const one = (name) => String(samples.find((sample) => sample.name === name)?.value ?? "–");
  figures("figures", [["sessions", one("sessions_open")], ["WebSockets", one("websockets_open")], ["idle connections", one("connections_idle")], ["turns running", one("turns_running")], ["turns waiting", one("turns_waiting")], ["turns refused", one("turns_refused")], ["tasks", one("tasks")], ["messages in rooms", one("room_messages_waiting")]]);
}

/** Where people find the server; the code has the token in it only if this page was opened with it. */
function showAddresses({ here, network, code, token: inCode, microphone }) {
  list("addresses", [{ title: here, end: "this machine" }, ...network.map((title) => ({ title, end: "the network" }))]);
  const words = [
    !code && "Other machines cannot connect: start it with --host 0.0.0.0 to let them.",
    code && "The code opens the page on a phone.",
    code && { held: "It holds the access token: show it to nobody else.", missing: "Open this page with ?token=… to have the access token in it." }[inCode],
    code && microphone && `${microphone[0].toUpperCase()}${microphone.slice(1).replaceAll("`", "")}.`,
  ];
  write(find("reach-words"), words.filter(Boolean).join(" "));
  find("code").hidden = !code;
  if (code && find("code").getAttribute("src") !== code) find("code").setAttribute("src", code);
  find("reach").hidden = false;
}

async function look() {
  if (document.hidden) return;
  try {
    const [tasks, metrics, addresses] = await Promise.all([ask("../debug/tasks"), ask("../metrics"), addressesIn()]);
    if (tasks.text) draw(JSON.parse(tasks.text));
    if (metrics.text) count(metrics.text, !tasks.text);
    if (addresses.text) showAddresses(JSON.parse(addresses.text));
    write(find("refused"), tasks.refused && `What the server does is shown to its operator: ${tasks.refused}`);
    document.querySelector("main").dataset.refused = tasks.refused && !metrics.text ? "yes" : "no";
    find("refused").hidden = !tasks.refused;
    find("live").dataset.live = "yes";
    write(find("live-words"), "live");
  } catch (error) {
    looks = 0;
    find("live").dataset.live = "no";
    write(find("live-words"), error instanceof SyntaxError ? "an answer could not be read" : "the server does not answer");
  }
}

find("home").setAttribute("href", withToken("../"));
/** They seldom change, and to draw the code takes a while: every `REDRAWN` looks. */
const REDRAWN = 30;
let looks = 0;
const addressesIn = () => (looks++ % REDRAWN ? Promise.resolve({ text: "", refused: "" }) : ask("../debug/addresses"));
let looking = Promise.resolve();
const again = () => (looking = looking.then(look));
document.addEventListener("visibilitychange", () => document.hidden || again());
(async () => {
  for (;;) {
    await again();
    await new Promise((done) => setTimeout(done, PERIOD));
  }
})();
