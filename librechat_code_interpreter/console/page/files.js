// Show stored files: a name, a size, a way to save it, and pictures as pictures.

import { bytes, el } from "./dom.js";
import { download } from "./service.js";

const PICTURE = /\.(png|jpe?g|gif|webp)$/i;
const LARGEST_PICTURE = 8 * 1024 * 1024;
const MOST_FILES = 100;

// The first bytes decide, not the name. SVG is not among them: it can hold scripts and links.
const SIGNATURES = [
  ["image/png", (head) => head.startsWith("\x89PNG\r\n\x1a\n")],
  ["image/jpeg", (head) => head.startsWith("\xff\xd8\xff")],
  ["image/gif", (head) => /^GIF8[79]a/.test(head)],
  ["image/webp", (head) => head.startsWith("RIFF") && head.slice(8, 12) === "WEBP"],
];

async function pictureOf(blob) {
  const head = String.fromCharCode(...new Uint8Array(await blob.slice(0, 12).arrayBuffer()));
  const found = SIGNATURES.find(([, matches]) => matches(head));
  return found && new Blob([blob], { type: found[0] });
}

// `file` has id, path and perhaps size; give the list of all of them.
export function fileList(session, files, isReadable = true) {
  const items = files.slice(0, MOST_FILES).map((file) => fileItem(session, file, isReadable));
  if (files.length > MOST_FILES) items.push(el("li", { class: "hint" }, `and ${files.length - MOST_FILES} more`));
  return el("ul", { class: "files" }, items);
}

function fileItem(session, file, isReadable) {
  const size = file.size == null ? "" : bytes(file.size);
  const item = el("li", {}, el("span", { class: "path" }, file.path), el("span", { class: "fine" }, size));
  if (!isReadable) return item;
  const problem = el("span", { class: "problem", role: "alert" });
  const save = () => saved(session, file).catch((error) => (problem.textContent = error.message));
  item.append(el("button", { type: "button", class: "quiet", "aria-label": `Save ${file.path}`, onclick: save }, "Save"), problem);
  if (PICTURE.test(file.path) && (file.size ?? 0) <= LARGEST_PICTURE) showPicture(item, session, file);
  return item;
}

async function showPicture(item, session, file) {
  try {
    const picture = await pictureOf(await download(session, file.id));
    if (!picture) return;
    const source = URL.createObjectURL(picture);
    const image = el("img", { src: source, alt: file.path, loading: "lazy" });
    item.classList.add("pictured");
    item.prepend(el("button", { type: "button", class: "thumb", "aria-label": `Enlarge ${file.path}`, onclick: () => enlarge(source, file.path) }, image));
  } catch {
    // the list says what there is; "Save" says why it cannot be had
  }
}

function enlarge(source, name) {
  const close = el("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = el("dialog", { "aria-label": name, onclose: () => dialog.remove() }, el("img", { src: source, alt: name }), el("p", {}, el("span", { class: "path" }, name), close));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

async function saved(session, file) {
  save(await download(session, file.id), file.path.split("/").pop());
}

export function save(blob, name) {
  const source = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  el("a", { href: source, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(source), 60000);
}

// Let the pictures of a place go before it is filled anew.
export function clear(place) {
  for (const image of place.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  place.replaceChildren();
}
