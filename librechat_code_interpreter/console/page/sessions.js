// List the sessions used last; a session's files are shown, and its pictures fetched, when it is opened.

import { byId, bytes, count, el, when } from "./dom.js";
import { clear, fileList } from "./files.js";
import { data, key } from "./service.js";

let sessions = [];
let isLoading = false;

export async function openSessions() {
  if (isLoading) return;
  if (!key.get()) {
    byId("sessions-list").replaceChildren(el("p", { class: "card" }, "Sessions are listed for who holds an API key, because their ids open their files. Set ADAPTER_API_KEY beside ADAPTER_AUTH=none: LibreChat still needs none, and this page then asks for it."));
    return;
  }
  isLoading = true;
  byId("sessions-problem").textContent = "";
  try {
    const found = await data("console/sessions");
    sessions = found.sessions;
    const rest = found.total - sessions.length;
    byId("sessions-sum").textContent = rest > 0 ? `the last ${sessions.length} of ${found.total}` : count(found.total, "session");
    show();
  } catch (error) {
    byId("sessions-problem").textContent = error.message;
  } finally {
    isLoading = false;
  }
}

export function findSession(id) {
  byId("sessions-find").value = id;
}

function show() {
  const wanted = byId("sessions-find").value.trim().toLowerCase();
  const found = sessions.filter((session) => matches(session, wanted));
  const place = byId("sessions-list");
  const opened = new Set([...place.querySelectorAll("details[open]")].map((item) => item.dataset.id));
  clear(place);
  if (!found.length) place.append(el("p", { class: "card empty" }, sessions.length ? "None of them matches." : "No session yet."));
  place.append(...found.map((session) => card(session, found.length === 1 || opened.has(session.id))));
}

function matches(session, wanted) {
  const words = [session.id, session.language ?? "", ...session.files.map((file) => file.path)];
  return words.some((word) => word.toLowerCase().includes(wanted));
}

function card(session, isOpen) {
  const size = session.files.reduce((sum, file) => sum + file.size, 0);
  const kind = session.scope === "open" ? "" : session.scope;
  const summary = el(
    "summary",
    {},
    el("code", { class: "id" }, session.id),
    el("span", {}, [session.language ?? (session.origin === "upload" ? "upload" : "bash"), kind].filter(Boolean).join(", ")),
    el("span", {}, session.files.length ? `${count(session.files.length, "file")}, ${bytes(size)}` : "no files"),
    el("span", { class: "fine" }, session.has_sandbox ? "warm" : ""),
    el("time", { class: "fine" }, when(session.used)),
  );
  const details = el("details", { class: "card session", "data-id": session.id, ontoggle: fill }, summary);
  details.open = isOpen;
  function fill() {
    if (!details.open || details.children.length > 1) return;
    if (!session.is_readable) details.append(el("p", { class: "hint" }, "The files belong to a user who proves who they are: only that user can open them."));
    details.append(session.files.length ? fileList(session.id, session.files, session.is_readable) : el("p", { class: "hint" }, "Its programs left no files."));
  }
  return details;
}

byId("sessions-look").addEventListener("click", openSessions);
byId("sessions-find").addEventListener("input", show);
