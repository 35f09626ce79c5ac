// Run a program and show what came of it.

import { byId, bytes, el, seconds } from "./dom.js";
import { clear, fileList, save } from "./files.js";
import { data, run } from "./service.js";

const SHOWN_CHARS = 200000;
const ALWAYS = ["py", "js", "ts", "bash"].map((lang) => ({ lang, available: true }));
const STATUS = { TO: "time limit", OL: "too much output", SG: "killed" };

const EXAMPLES = {
  "A plot": ["py", "import numpy as np\nimport matplotlib.pyplot as plt\n\nx = np.linspace(0, 6, 400)\nfor k in (1, 2, 3):\n    plt.plot(x, np.sin(k * x) / k, label=f\"sin {k}x / {k}\")\nplt.legend()\nplt.show()\n"],
  "A table": ["py", "import pandas as pd\n\ntable = pd.DataFrame({\"year\": range(2020, 2026), \"visits\": [120, 180, 260, 240, 390, 510]})\ntable[\"growth\"] = table[\"visits\"].pct_change().round(2)\nprint(table.to_string(index=False))\ntable.to_csv(\"visits.csv\", index=False)\n"],
  "Shell": ["bash", "echo \"hello from $(hostname)\"\nseq 5 | jq -s 'add'\nls -la /mnt/data\n"],
  "TypeScript": ["ts", "const squares: number[] = [1, 2, 3, 4].map((n) => n * n);\nconsole.log(squares.join(\" + \"), \"=\", squares.reduce((a, b) => a + b));\n"],
  "An error": ["py", "def half(number):\n    return number / 0\n\nprint(\"before\")\nhalf(4)\n"],
};

let isFilled = false;
let session = null;
let underWay = null;

export async function openPlayground() {
  if (isFilled) return;
  isFilled = true;
  byId("example").append(...Object.keys(EXAMPLES).map((name) => el("option", {}, name)));
  offer(ALWAYS);
  fillIn();
  try {
    offer((await data("languages")).languages);
  } catch {
    // those that are always there will do
  }
}

function offer(languages) {
  const chosen = byId("language").value;
  const option = ({ lang, available }) => el("option", { value: lang, disabled: !available }, available ? lang : `${lang} (not installed)`);
  byId("language").replaceChildren(...languages.map(option));
  byId("language").value = chosen || "py";
}

function fillIn() {
  const [language, code] = EXAMPLES[byId("example").value];
  byId("language").value = language;
  byId("code").value = code;
}

async function start(event) {
  event.preventDefault();
  if (underWay) return;
  underWay = new AbortController();
  busy(true);
  const program = { lang: byId("language").value, code: byId("code").value };
  if (byId("continue").checked && session) program.session_id = session;
  const began = performance.now();
  try {
    const answer = await run(program, underWay.signal);
    session = answer.session_id;
    show(answer, (performance.now() - began) / 1000);
  } catch (error) {
    clear(byId("output"));
    verdict("bad", error.name === "AbortError" ? "Stopped: the program was killed." : error.message);
  } finally {
    underWay = null;
    busy(false);
  }
}

function busy(isBusy) {
  byId("run").disabled = isBusy;
  byId("stop").disabled = !isBusy;
  byId("result").setAttribute("aria-busy", String(isBusy));
  if (isBusy) verdict("", "Running…");
  else if (document.activeElement === document.body) byId("run").focus();
}

function verdict(kind, text) {
  byId("verdict").replaceChildren(kind ? el("span", { class: `dot ${kind}`, "aria-hidden": "true" }) : "", text);
}

function show(answer, took) {
  const ended = STATUS[answer.status] ?? (answer.code === 0 ? "ok" : `exit code ${answer.code}`);
  const words = [ended, `program ${seconds(answer.wall_time / 1000)}`, `answer ${seconds(took)}`, `session ${answer.session_id}`];
  verdict(answer.code === 0 && !answer.status ? "good" : "bad", words.join(" · "));
  const place = byId("output");
  clear(place);
  place.append(...stream("stdout", answer.stdout), ...stream("stderr", answer.stderr));
  if (answer.files.length) {
    const files = answer.files.map((file) => ({ id: file.id, path: file.name }));
    place.append(el("h3", {}, "files"), fileList(answer.session_id, files));
  }
  if (!place.children.length) place.append(el("p", { class: "hint" }, "It printed nothing and left no files."));
}

function stream(name, text) {
  if (!text) return [];
  const parts = [el("h3", {}, name), el("pre", { id: name, tabindex: "0", "aria-label": name }, text.slice(0, SHOWN_CHARS))];
  if (text.length > SHOWN_CHARS) {
    const all = () => save(new Blob([text]), `${name}.txt`);
    const rest = `${bytes(text.length - SHOWN_CHARS)} more are not shown. `;
    parts.push(el("p", { class: "hint" }, rest, el("button", { type: "button", class: "quiet", onclick: all }, "Save all")));
  }
  return parts;
}

byId("program").addEventListener("submit", start);
byId("stop").addEventListener("click", () => underWay?.abort());
byId("example").addEventListener("change", fillIn);
byId("code").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("program").requestSubmit();
});
