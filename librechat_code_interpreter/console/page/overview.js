// Show what the service does now, and the last hour.

import { byId, count, el, seconds } from "./dom.js";
import { barPlot, timePlot } from "./plots.js";

const ENDINGS = ["ok", "exit", "signal", "time", "memory", "output", "cancelled", "lost"];
const POOLS = { prepared: "for new sessions", jail: "for others", sandbox: "for new sessions" };

export function showNotices(now, health) {
  const reasons = Object.entries(health.reasons ?? {}).map(([part, reason]) => ["bad", `${part}: ${reason}`]);
  const notices = [...reasons, ...now.warnings.map((warning) => ["warn", warning])];
  changed(byId("notices"), notices, () => notices.map(([kind, text]) => el("li", { class: `notice ${kind}` }, text)));
}

export function showNow(now) {
  const tiles = [
    ["running", "Running", now.running, now.most_running],
    ["waiting", "Waiting", now.waiting, now.most_waiting],
    ["paused", "Paused for tools", now.paused, now.most_paused],
    ["sandboxes", "Sandboxes", now.sandboxes, now.most_sandboxes],
  ];
  changed(byId("now"), [tiles, now.pools], () => [...tiles.map(tile), spares(now.pools)]);
}

function tile([name, label, value, most]) {
  const bar = el("span", { class: "meter", "aria-hidden": "true" }, el("span"));
  bar.classList.toggle("full", value >= most);
  bar.firstChild.style.width = `${Math.min(100, (100 * (value ?? 0)) / Math.max(1, most))}%`;
  return el(
    "div",
    { class: "tile" },
    el("dt", {}, label),
    el("dd", { id: `now-${name}` }, el("strong", {}, value ?? "?"), ` of ${most}`, bar),
  );
}

function spares(pools) {
  const ready = pools.reduce((sum, pool) => sum + pool.ready, 0);
  const takes = pools.reduce((sum, pool) => sum + pool.hits + pool.misses, 0);
  const hits = pools.reduce((sum, pool) => sum + pool.hits, 0);
  const uses = [...new Set(pools.map((pool) => POOLS[pool.pool] ?? pool.pool))];
  const readyFor = (use) => pools.reduce((sum, pool) => sum + (POOLS[pool.pool] === use ? pool.ready : 0), 0);
  const each = uses.map((use) => `${readyFor(use)} ${use}`).join(", ");
  return el(
    "div",
    { class: "tile" },
    el("dt", {}, "Spares ready"),
    el(
      "dd",
      { id: "now-spares" },
      el("strong", {}, pools.length ? ready : "–"),
      takes ? ` hit ${Math.round((100 * hits) / takes)} %` : "",
      el("span", { class: "fine" }, pools.length ? each : "none taken yet"),
    ),
  );
}

export function showHour(hour, at) {
  const minute = Math.floor(at / 60);
  byId("hour-sum").textContent = hour.runs
    ? `${count(hour.runs, "run")}, p50 ${seconds(hour.p50_seconds)}, p95 ${seconds(hour.p95_seconds)}`
    : "no run yet";
  const place = byId("plots");
  changed(place, [hour.minutes, minute, place.clientWidth], () => [
    timePlot("Time from request to answer", hour.minutes, minute),
    barPlot("Runs a minute by ending", hour.minutes, minute, (found) => found.endings, endingColour),
    barPlot("Runs a minute by language", hour.minutes, minute, (found) => found.languages, (_, rank) => `c${Math.min(rank, 6)}`),
  ]);
}

export const endingColour = (ending) => `e-${ENDINGS.includes(ending) ? ending : "error"}`;

// What did not change is left alone: a tooltip stays, and so does the keyboard's focus.
export function changed(place, value, build) {
  const text = JSON.stringify(value);
  if (place.shown === text) return;
  place.shown = text;
  place.replaceChildren(...build());
}

