// Draw sixty minutes as SVG: times as lines on a logarithmic scale, counts as stacked bars.

import { clock, count, el, seconds, svg } from "./dom.js";

const MINUTES = 60;
const HEIGHT = 168;
const EDGE = { left: 46, right: 10, top: 8, bottom: 22 };

export function timePlot(title, minutes, lastMinute) {
  const times = minutes.flatMap((found) => [found.p50_seconds, found.p95_seconds]);
  const low = 10 ** Math.floor(Math.log10(Math.min(0.01, ...times)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(1, ...times)));
  const decades = Math.round(Math.log10(high / low));
  const frame = makeFrame((value) => Math.log10(value / low) / decades);
  for (let step = 0; step <= decades; step += 1) frame.gridLine(low * 10 ** step, seconds(low * 10 ** step));
  for (const [field, kind] of [["p95_seconds", "p95"], ["p50_seconds", "p50"]]) {
    const points = minutes.map((found) => [frame.x(found, lastMinute), frame.y(found[field])]);
    frame.add(svg("path", { class: `line ${kind}`, d: path(points, frame.slot) }));
    for (const [x, y] of points) frame.add(svg("circle", { class: `point ${kind}`, cx: x, cy: y, r: 2.2 }));
  }
  const tell = (found) => `p50 ${seconds(found.p50_seconds)}, p95 ${seconds(found.p95_seconds)}`;
  return finish(frame, title, minutes, lastMinute, [["p50", "median"], ["p95", "p95"]], tell);
}

export function barPlot(title, minutes, lastMinute, partsOf, colourOf) {
  const names = ranked(minutes.map(partsOf));
  const most = niceTop(Math.max(1, ...minutes.map((found) => found.runs)));
  const frame = makeFrame((value) => value / most);
  for (const value of [0, most / 2, most]) if (Number.isInteger(value)) frame.gridLine(value, String(value));
  for (const found of minutes) {
    let below = 0;
    names.forEach((name, rank) => {
      const height = partsOf(found)[name] ?? 0;
      if (!height) return;
      const top = frame.y(below + height);
      frame.add(
        svg("rect", {
          class: colourOf(name, rank),
          x: frame.x(found, lastMinute) - frame.slot * 0.4,
          y: top,
          width: frame.slot * 0.8,
          height: frame.y(below) - top,
        }),
      );
      below += height;
    });
  }
  const tell = (found) => Object.entries(partsOf(found)).map(([name, number]) => `${name} ${number}`).join(", ");
  return finish(frame, title, minutes, lastMinute, names.map((name, rank) => [colourOf(name, rank), name]), tell);
}

function makeFrame(share) {
  const place = document.getElementById("plots");
  const columns = getComputedStyle(place).gridTemplateColumns.split(" ");
  const width = Math.max(220, Math.floor(parseFloat(columns[0]) || place.clientWidth) - 26);
  const slot = (width - EDGE.left - EDGE.right) / MINUTES;
  const root = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  const y = (value) => EDGE.top + (1 - share(value)) * (HEIGHT - EDGE.top - EDGE.bottom);
  return {
    root,
    width,
    slot,
    y,
    x: (found, lastMinute) => EDGE.left + (MINUTES - 0.5 - (lastMinute - Math.round(found.at / 60))) * slot,
    add: (node) => root.append(node),
    gridLine(value, label) {
      root.append(
        svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "axis", x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, label),
      );
    },
  };
}

function finish(frame, title, minutes, lastMinute, legend, tell) {
  for (let minute = lastMinute - MINUTES + 1; minute <= lastMinute; minute += 1) {
    if (minute % 15) continue;
    const x = frame.x({ at: minute * 60 }, lastMinute);
    const anchor = x > frame.width - 30 ? "end" : "middle";
    frame.add(svg("text", { class: "axis", x, y: HEIGHT - 6, "text-anchor": anchor }, clock(minute * 60)));
  }
  for (const found of minutes) {
    const text = `${clock(found.at)}: ${count(found.runs, "run")}, ${tell(found)}`;
    const x = frame.x(found, lastMinute) - frame.slot / 2;
    const area = { class: "area", x, y: EDGE.top, width: frame.slot, height: HEIGHT - EDGE.top - EDGE.bottom };
    frame.add(svg("rect", area, svg("title", {}, text)));
  }
  const said = minutes.length ? tell(minutes[minutes.length - 1]) : "nothing in the last hour";
  frame.root.setAttribute("aria-label", `${title}. Latest: ${said}.`);
  const keys = legend.map(([kind, name]) => el("li", {}, el("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), name));
  return el("figure", { class: "card" }, el("figcaption", {}, title, el("ul", { class: "legend" }, keys)), frame.root);
}

// Neighbouring minutes are joined; a gap in the runs is a gap in the line.
function path(points, slot) {
  return points
    .map(([x, y], number) => {
      const joined = number > 0 && x - points[number - 1][0] < slot * 1.5;
      return `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

function ranked(counts) {
  const sums = new Map();
  for (const found of counts) for (const [name, number] of Object.entries(found)) sums.set(name, (sums.get(name) ?? 0) + number);
  return [...sums.keys()].sort((one, other) => sums.get(other) - sums.get(one) || one.localeCompare(other));
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return (power > 1 ? [1, 2, 3, 4, 5, 6, 8, 10] : [1, 2, 4, 6, 8, 10]).map((step) => step * power).find((top) => top >= value);
}
