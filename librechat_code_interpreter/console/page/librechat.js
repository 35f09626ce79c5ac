// Say which LibreChat spoke last, who was refused, and what to set.

import { byId, clock, count, el, when } from "./dom.js";
import { changed } from "./overview.js";

const SIGNS = {
  "X-API-Key": "sends the key in X-API-Key: v0.8.5 and earlier",
  "Bearer key": "sends the key as a Bearer token: not LibreChat's own way",
  Basic: "the key stands in its LIBRECHAT_CODE_BASEURL: v0.8.6 and later",
  token: "signs tokens: v0.8.6 and later",
  "no credential": "sends none, which ADAPTER_AUTH=none allows: v0.8.6 and later",
  "/v1": "its address ends in /v1",
  "no /v1": "its address does not end in /v1, which is fine",
  "/upload": "uploads files one by one",
  "/upload/batch": "uploads several files at once: skills, v0.8.6 and later",
  listing: "lists a session's files to see whether they are alive: v0.8.5 and earlier, mostly",
  "object probe": "asks for one file to see whether it is alive: v0.8.6 and later",
  "tool calls": "lets programs call tools: v0.8.3 and later",
  "session_id refs": "names files by session_id: v0.8.5 and earlier",
  "storage_session_id refs": "names files by storage_session_id: v0.8.6 and later",
  "session hint": "names the conversation of a run: v0.8.7 and later",
};

export function showLibreChat(seen) {
  changed(byId("caller"), [seen.at, seen.release, seen.signs], () => caller(seen));
  changed(byId("refused"), [seen.refused_last_hour, seen.refusals], () => [refused(seen)]);
  changed(byId("advice"), location.host, advice);
}

function caller(seen) {
  if (seen.at == null) {
    return [el("p", { class: "empty" }, "No LibreChat has been let in since the service started.")];
  }
  const signs = Object.entries(seen.signs).sort(([, one], [, other]) => other - one);
  return [
    el("p", { class: "lead" }, el("strong", { id: "release" }, seen.release ?? "any release"), ` as ${seen.user_agent}, at ${when(seen.at)}`),
    el("table", {}, el("caption", {}, "What shows it"), el("tbody", {}, signs.map(sign))),
  ];
}

const sign = ([name, at]) => el("tr", {}, el("td", {}, SIGNS[name] ?? name), el("td", { class: "number" }, when(at)));

function refused(seen) {
  const reasons = Object.entries(seen.refused_last_hour);
  if (!reasons.length && !seen.refusals.length) return el("p", { class: "empty" }, "Nobody.");
  const kind = (number) => ({ class: number === 3 ? "slim" : "" });
  const titles = ["Time", "Why", "Offered", "Asked for", "By"];
  const head = el("tr", {}, titles.map((name, number) => el("th", { scope: "col", ...kind(number) }, name)));
  const cells = (one) => [clock(one.at, true), one.reason, one.offered, one.route, one.user_agent];
  const row = (one) => el("tr", {}, cells(one).map((cell, number) => el("td", kind(number), cell)));
  return el(
    "div",
    {},
    el("ul", { class: "sums" }, reasons.map(([reason, number]) => el("li", {}, el("strong", {}, count(number, "time")), ` ${reason}`))),
    el("table", {}, el("caption", { class: "unseen" }, "The last requests that were refused"), el("thead", {}, head), el("tbody", {}, seen.refusals.map(row))),
  );
}

function advice() {
  const path = location.pathname.replace(/\/console$/, "").replace(/\/v1$/, "");
  const rest = `${location.host}${path}/v1`;
  const scheme = location.protocol;
  return [
    el("p", {}, "Put these lines into LibreChat's ", el("code", {}, ".env"), ", with your key, and start it again. From inside Docker the host is usually ", el("code", {}, "host.docker.internal"), "."),
    el("h3", {}, "LibreChat up to v0.8.5"),
    el("pre", { tabindex: "0" }, `LIBRECHAT_CODE_BASEURL=${scheme}//${rest}\nLIBRECHAT_CODE_API_KEY=<key>`),
    el("h3", {}, "LibreChat from v0.8.6: it sends no key of its own, so the key goes into the address"),
    el("pre", { tabindex: "0" }, `LIBRECHAT_CODE_BASEURL=${scheme}//x:<key>@${rest}`),
    el("h3", {}, "LibreChat from v0.8.6, with tokens that it signs"),
    el("pre", { tabindex: "0" }, `LIBRECHAT_CODE_BASEURL=${scheme}//${rest}`),
    el("p", {}, "and here its public key, in ", el("code", {}, "CODEAPI_JWT_PUBLIC_KEY"), ". On a closed network ", el("code", {}, "ADAPTER_AUTH=none"), " here does without any of it."),
  ];
}
