// List the last runs. New ones come on top; rows that are there stay, so that the keyboard's focus does.

import { byId, bytes, clock, el, seconds } from "./dom.js";
import { endingColour } from "./overview.js";
import { findSession } from "./sessions.js";

const MOST = 50;
const STEPS = ["lookup", "queue", "sandbox", "stage", "run", "collect", "record"];
const COLUMNS = [
  ["Time", ""], ["Language", ""], ["Ending", ""], ["Took", "number"], ["Steps", "wide"], ["CPU", "number wide"],
  ["Memory", "number wide"], ["Files", "number slim"], ["Session", ""],
];

const shown = new Set();
let body;

export function showRuns(runs) {
  const place = byId("runs");
  if (!runs.length) {
    if (!body) place.replaceChildren(el("p", { class: "empty" }, "No program has run yet. Try the playground."));
    return;
  }
  body ??= table(place);
  for (const run of [...runs].reverse()) {
    const name = `${run.run_id} ${run.at}`;
    if (shown.has(name)) continue;
    shown.add(name);
    body.prepend(row(run));
  }
  while (body.children.length > MOST) body.lastChild.remove();
}

function table(place) {
  const head = el("tr", {}, COLUMNS.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)));
  const rows = el("tbody");
  byId("steps").replaceChildren(...STEPS.map((step) => el("span", {}, el("span", { class: `swatch s-${step}` }), step)));
  place.replaceChildren(el("table", {}, el("caption", { class: "unseen" }, "The last runs, newest first"), el("thead", {}, head), rows));
  return rows;
}

function row(run) {
  const cells = [
    clock(run.at, true),
    run.language,
    [el("span", { class: `swatch ${endingColour(run.ending)}`, "aria-hidden": "true" }), ending(run)],
    seconds(run.seconds),
    steps(run),
    seconds(run.cpu_seconds),
    run.peak_memory_bytes ? bytes(run.peak_memory_bytes) : "–",
    run.delivered_files || "",
    run.session_id ? sessionLink(run) : "",
  ];
  return el("tr", {}, cells.map((cell, number) => el("td", { class: COLUMNS[number][1] }, cell)));
}

function ending(run) {
  const words = [run.ending];
  if (run.exit_code != null && run.ending === "exit") words.push(String(run.exit_code));
  if (run.tool_rounds) words.push(`(${run.tool_rounds} tool rounds)`);
  return words.join(" ");
}

function steps(run) {
  const told = STEPS.filter((step) => run.steps[step] >= 0.0005).map((step) => `${step} ${seconds(run.steps[step])}`);
  const bar = el("span", { class: "steps", role: "img", "aria-label": told.join(", ") || "no time", title: told.join("\n") });
  for (const step of STEPS) {
    const piece = el("span", { class: `s-${step}` });
    piece.style.flexGrow = run.steps[step] / Math.max(run.seconds, 1e-9);
    bar.append(piece);
  }
  return bar;
}

function sessionLink(run) {
  const label = `Session ${run.session_id}, ${run.sandbox === "kept" ? "in its own sandbox" : "in a new sandbox"}`;
  return el("a", { href: "#sessions", class: "id", title: label, onclick: () => findSession(run.session_id) }, run.session_id.slice(0, 8));
}
