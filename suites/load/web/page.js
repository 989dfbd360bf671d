// The page /faults: good share and latency of each cohort in time, with the faults as shaded, labelled bands.
// Every cohort has charts of its own, so that no line has to be told from another by its colour.
import { active, bandText, burn, byUrgency, clock, duration, fetchView, judgedShare, make, mark, milliseconds, percent, recentShare } from "./words.js";

const PERIOD_MS = 1000;
const LEFT = 44, RIGHT = 74, GUTTER = 15, PLOT = 84, FOOT = 4;
const LANE = 20, PHASES = 16, TIMES = 16;
const LETTER = 6.3; // the width of a letter of the labels, about
const LEAST_SHOWN_S = 60;
const WORST_MS = 3000, LEAST_MS = 0.5;
const SVG = "http://www.w3.org/2000/svg";

const shape = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const words = (x, y, text, attributes = {}) => shape("text", { x, y, ...attributes }, text);
const cut = (text, width) => {
  const most = Math.floor(width / LETTER);
  if (text.length <= most) return text;
  return most < 4 ? "" : `${text.slice(0, most - 1)}…`;
};

// What is shown of time, and where it lies in `width` pixels.
class Scale {
  constructor(view, shown, width) {
    this.until = view.now_s;
    const begun = Math.min(view.times_s[0] ?? view.now_s, view.now_s - LEAST_SHOWN_S * view.rate);
    this.from = Math.max(begun, view.now_s - shown * view.rate);
    this.left = LEFT;
    this.right = Math.max(LEFT + 40, width - RIGHT);
    this.step = view.step_s;
  }
  x(at) {
    const share = (at - this.from) / (this.until - this.from);
    return this.left + Math.min(1, Math.max(0, share)) * (this.right - this.left);
  }
  shows(from, until) {
    return until >= this.from && from <= this.until;
  }
  ticks() {
    const count = Math.max(2, Math.min(6, Math.floor((this.right - this.left) / 90)));
    return Array.from({ length: count }, (_, i) => this.from + ((this.until - this.from) * (i + 0.5)) / count);
  }
}

const untilOf = (band, view) => band.until_s ?? view.now_s;
const seen = (view, scale) => view.bands.filter((band) => scale.shows(band.from_s, untilOf(band, view)));
const titleOf = (band, view) => {
  const end = band.until_s === null ? "in place" : `until ${clock(band.until_s)}`;
  const lasted = duration((untilOf(band, view) - band.from_s) / view.rate);
  return `${bandText(band)}, ${band.role}, ${clock(band.from_s)} ${end}, ${lasted}`;
};

// Where each band's bar and label lie, in the first lane that has room for both.
const laned = (bands, view, scale) => {
  const ends = [];
  return [...bands].sort((a, b) => a.from_s - b.from_s).map((band) => {
    const [x0, x1] = [scale.x(band.from_s), Math.max(scale.x(band.from_s) + 2, scale.x(untilOf(band, view)))];
    const text = bandText(band);
    const width = text.length * LETTER + 10;
    const edge = scale.right + RIGHT;
    let [from, until, at, anchor, room] = [x0, x1 + Math.min(width, edge - x1), x1 + 5, "start", edge - x1 - 8];
    if (x1 - x0 > width) [until, at, room] = [x1, x0 + 5, x1 - x0];
    else if (edge - x1 < width && x0 > edge - x1) [from, until, at, anchor, room] = [Math.max(0, x0 - width), x1, x0 - 5, "end", x0 - 8];
    let lane = ends.findIndex((end) => end <= from);
    if (lane < 0) lane = ends.length;
    ends[lane] = until;
    return { band, lane, x0, x1, at, anchor, text: cut(text, room) };
  });
};

const drawLanes = (view, shown) => {
  const host = document.getElementById("lanes");
  const scale = new Scale(view, shown, host.clientWidth);
  const placed = laned(seen(view, scale), view, scale);
  const phases = view.phases.filter(([, from, until]) => scale.shows(from, until));
  const top = TIMES + (phases.length ? PHASES : 0) + 4;
  const height = top + Math.max(1, ...placed.map(({ lane }) => lane + 1)) * LANE + 4;
  const svg = shape("svg", { height, role: "img", "aria-label": "faults in time" });
  for (const at of scale.ticks()) svg.append(words(scale.x(at), 12, clock(at), { "text-anchor": "middle" }));
  for (const [name, from, until] of phases) {
    const [x0, x1] = [scale.x(from), scale.x(until)];
    svg.append(shape("path", { class: "rule", d: `M${x0} ${TIMES}V${TIMES + PHASES}` }), words(x0 + 4, TIMES + 12, cut(name, x1 - x0 - 6)));
  }
  if (placed.length === 0) svg.append(words(scale.left, top + 14, view.faults_known ? "no fault in this time" : "nothing tells this load about faults"));
  for (const { band, lane, x0, x1, at, anchor, text } of placed) {
    const y = top + lane * LANE;
    const bar = shape("rect", { x: x0, y: y + 1, width: x1 - x0, height: LANE - 4, rx: 3 });
    const label = words(at, y + 13, text, { class: "name", "text-anchor": anchor });
    svg.append(shape("g", { class: `band lane ${band.role}`, "data-fault": band.id }, shape("title", {}, titleOf(band, view)), bar, label));
  }
  host.replaceChildren(svg);
};

const drawBands = (svg, view, scale) => {
  const taken = []; // parts of the gutter that have a label; those of faults are placed first
  for (const band of seen(view, scale).sort((a, b) => (b.role === "fault") - (a.role === "fault") || a.from_s - b.from_s)) {
    const [x0, x1] = [scale.x(band.from_s), scale.x(untilOf(band, view))];
    const group = shape("g", { class: `band ${band.role}`, "data-fault": band.id }, shape("title", {}, titleOf(band, view)));
    group.append(shape("rect", { x: x0, y: GUTTER, width: Math.max(1, x1 - x0), height: PLOT }));
    group.append(shape("path", { d: `M${x0} 2V${GUTTER + PLOT}` }));
    const wide = band.name.length * LETTER;
    const at = Math.min(x0 + 3, scale.right - wide);
    if (at >= scale.left && taken.every(([from, until]) => at >= until || at + wide <= from)) {
      group.append(words(at, 11, band.name, { class: "name" }));
      taken.push([at - 6, at + wide + 6]);
    }
    svg.append(group);
  }
};

// A line with gaps where nothing was asked; a point that stands alone is drawn as wide as its time.
const lineOf = (view, scale, values, y) => {
  let path = "", open = false;
  values.forEach((value, i) => {
    if (value === null || view.times_s[i] + view.step_s < scale.from) {
      open = false;
      return;
    }
    const [x0, x1, at] = [scale.x(view.times_s[i]), scale.x(view.times_s[i] + view.step_s), y(value).toFixed(1)];
    path += `${open ? "L" : "M"}${x0.toFixed(1)} ${at}L${x1.toFixed(1)} ${at}`;
    open = true;
  });
  return path;
};
const last = (values) => values.findLast((value) => value !== null) ?? null;

const frame = (view, scale, rules, label) => {
  const svg = shape("svg", { height: GUTTER + PLOT + FOOT, role: "img", "aria-label": label });
  for (const [y, text] of rules) {
    svg.append(shape("path", { class: "rule", d: `M${scale.left} ${y}H${scale.right}` }));
    svg.append(words(scale.left - 5, y + 4, text, { "text-anchor": "end" }));
  }
  drawBands(svg, view, scale);
  return svg;
};

const goodChart = (view, line, scale) => {
  const y = (share) => GUTTER + (1 - share) * PLOT;
  const shares = line.total.map((total, i) => (total ? line.good[i] / total : null));
  const svg = frame(view, scale, [[y(1), "100 %"], [y(0.5), "50 %"], [y(0), "0 %"]], `good share of ${line.name}`);
  svg.append(shape("path", { class: "good", d: lineOf(view, scale, shares, y) }));
  const now = last(shares);
  if (now !== null) svg.append(words(scale.right + 5, Math.min(y(now) + 4, GUTTER + PLOT), `good ${percent(now)}`, { class: "good" }));
  return svg;
};

const latencyChart = (view, line, scale) => {
  const whole = Math.log(WORST_MS / LEAST_MS);
  const y = (ms) => GUTTER + (1 - Math.log(Math.min(WORST_MS, Math.max(LEAST_MS, ms)) / LEAST_MS) / whole) * PLOT;
  const svg = frame(view, scale, [[y(1000), "1 s"], [y(100), "100 ms"], [y(10), "10 ms"], [y(1), "1 ms"]], `latency of ${line.name}`);
  const [p50, p99] = [last(line.p50_ms), last(line.p99_ms)];
  svg.append(shape("path", { class: "p50", d: lineOf(view, scale, line.p50_ms, y) }));
  svg.append(shape("path", { class: "p99", d: lineOf(view, scale, line.p99_ms, y) }));
  if (p99 === null) return svg;
  const low = Math.min(y(p50), GUTTER + PLOT - 4), high = Math.min(y(p99), low - 13); // two labels never on top of each other
  svg.append(words(scale.right + 5, high + 4, `p99 ${milliseconds(p99)}`, { class: "p99" }));
  svg.append(words(scale.right + 5, low + 4, `p50 ${milliseconds(p50)}`, { class: "p50" }));
  return svg;
};

const drawCohorts = (view, shown) => {
  const host = document.getElementById("cohorts");
  const narrow = matchMedia("(max-width: 900px)").matches;
  const width = narrow ? host.clientWidth - 20 : (host.clientWidth - 36) / 2;
  const scale = new Scale(view, shown, width);
  host.replaceChildren(...view.cohorts.map((line, i) => {
    const asked = view.totals[i].planned.toLocaleString("en");
    const head = make("h3", {}, line.name, make("span", {}, `${asked} requests since the start`));
    return make("div", { class: "cohort", "data-cohort": line.name }, head, goodChart(view, line, scale), latencyChart(view, line, scale));
  }));
};

const drawObjectives = (view) => {
  const head = ["state", "objective", "now", "judged", "target", "burn", "requests"].map((text) => make("th", {}, text));
  const rows = byUrgency(view.objectives).map((one) => {
    const cells = [one.name, percent(recentShare(one)), percent(judgedShare(one)), percent(one.target), burn(one) || "–", one.total.toLocaleString("en")];
    const state = make("td", { class: one.state }, `${mark(one.state)} ${one.state}`);
    return make("tr", { title: one.description }, state, ...cells.map((text) => make("td", {}, text)));
  });
  document.getElementById("objectives").replaceChildren(make("tr", {}, ...head), ...rows);
};

const drawRest = (view) => {
  document.getElementById("title").textContent = view.title || "Faults and load";
  const rate = view.rate === 1 ? "" : `, ${view.rate} times as fast as real time`;
  document.getElementById("clock").textContent = `stack's clock ${clock(view.now_s)} UTC${rate}`;
  const warnings = [...view.problems];
  if (!view.faults_known) warnings.push("Nothing tells this load about faults at the moment: there may be some that are not drawn.");
  document.getElementById("warnings").replaceChildren(...warnings.map((text) => make("div", {}, `⚠ ${text}`)));
  const health = view.health;
  const sent = `${health.issued.toLocaleString("en")} of ${health.planned.toLocaleString("en")} requests sent, lag p99 ${milliseconds(health.lag_p99_ms)}`;
  document.getElementById("health").textContent = `Generator: ${sent}. ${health.workers.join("; ")}.`;
};

const chooser = document.getElementById("shown");
let newest = null;
const draw = () => {
  if (newest === null) return;
  const shown = Number(chooser.value);
  drawRest(newest);
  drawLanes(newest, shown);
  drawCohorts(newest, shown);
  drawObjectives(newest);
  document.title = active(newest).length ? `⚠ ${active(newest).length} in place – faults and load` : "Faults and load";
};
const refresh = async () => {
  try {
    newest = await fetchView(chooser.value);
    draw();
  } catch (error) {
    document.getElementById("warnings").replaceChildren(make("div", {}, "⚠ The load does not answer any more."));
  }
};
const forever = async () => {
  await refresh();
  setTimeout(forever, PERIOD_MS);
};
chooser.addEventListener("change", refresh);
addEventListener("resize", draw);
forever();
