// Open the page with the key, show one of its parts, and keep it up to date while somebody looks.

import { byId, clock, el, seconds } from "./dom.js";
import { showLibreChat } from "./librechat.js";
import { showHour, showNotices, showNow } from "./overview.js";
import { openPlayground } from "./playground.js";
import { showRuns } from "./runs.js";
import { Refused, data, key, readiness } from "./service.js";
import { openSessions } from "./sessions.js";

const DATA_EVERY = 2000;
const HEALTH_EVERY = 15000;
const PARTS = ["overview", "sessions", "playground", "librechat"];

let isOpen = false;
let timer;
let health = { status: "unknown" };
let healthAt = -Infinity;

async function look() {
  clearTimeout(timer);
  if (!isOpen || document.hidden) return;
  const found = await told();
  clearTimeout(timer);
  if (!isOpen) return;
  timer = setTimeout(look, DATA_EVERY);
  if (found) show(found);
}

async function told() {
  try {
    if (performance.now() - healthAt > HEALTH_EVERY) {
      health = await readiness();
      healthAt = performance.now();
    }
    return await data("console/data");
  } catch (error) {
    if (error instanceof Refused) close(error.message);
    else state("bad", `no answer at ${clock(Date.now() / 1000, true)}`);
    return null;
  }
}

function show(found) {
  const { now, hour, runs, librechat } = found;
  const word = { ready: "ready", not_ready: "not ready", draining: "stopping" }[health.status] ?? "…";
  state(
    health.status === "ready" && !now.is_draining ? "good" : "bad",
    `${now.is_draining ? "stopping" : word} · ${now.engine} · v${now.version} · up ${seconds(Math.max(1, Math.round(now.at - now.started_at)))}`,
  );
  showNotices(now, health);
  showNow(now);
  showHour(hour, now.at);
  showRuns(runs);
  showLibreChat(librechat);
}

function state(kind, text) {
  const place = byId("state");
  if (place.dataset.text === kind + text) return;
  place.dataset.text = kind + text;
  place.replaceChildren(el("span", { class: `dot ${kind}`, "aria-hidden": "true" }), text);
}

function part() {
  const wanted = location.hash.slice(1);
  const shown = PARTS.find((name) => !byId(name).hidden);
  return PARTS.includes(wanted) ? wanted : (shown ?? PARTS[0]);
}

function turn() {
  if (!isOpen) return;
  const shown = part();
  for (const name of PARTS) byId(name).hidden = name !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown === "sessions") openSessions();
  if (shown === "playground") openPlayground();
  look();
}

function open() {
  isOpen = true;
  byId("entry").hidden = true;
  document.querySelector("nav").hidden = false;
  byId("leave").hidden = !key.get();
  turn();
}

function close(problem = "") {
  isOpen = false;
  key.forget();
  clearTimeout(timer);
  for (const name of PARTS) byId(name).hidden = true;
  document.querySelector("nav").hidden = true;
  byId("leave").hidden = true;
  byId("state").replaceChildren();
  byId("state").dataset.text = "";
  byId("entry").hidden = false;
  document.querySelector("#entry .problem").textContent = problem;
  byId("key").focus();
}

async function enter(event) {
  event.preventDefault();
  const problem = document.querySelector("#entry .problem");
  const typed = byId("key").value.trim();
  problem.textContent = "";
  try {
    new Headers({ "X-API-Key": typed }); // what is no header could be no key
    key.keep(typed);
    await data("console/data");
  } catch (error) {
    key.forget();
    problem.textContent = error instanceof TypeError ? "The service does not answer, or this cannot be a key." : error.message;
    byId("key").select();
    return;
  }
  byId("key").value = "";
  open();
  document.querySelector("nav a").focus();
}

byId("entry").querySelector("form").addEventListener("submit", enter);
byId("leave").addEventListener("click", () => {
  key.forget();
  location.reload();
});
addEventListener("hashchange", turn);
document.addEventListener("visibilitychange", look);

const lock = document.documentElement.dataset.lock;
if (lock === "no key") byId("closed").hidden = false;
else if (lock === "none" || key.get()) open();
else close();
