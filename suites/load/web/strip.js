// The strip under Locust's charts: which faults are in place, and how each objective stands.
import { active, bandText, burn, byUrgency, clock, duration, fetchView, judgedShare, make, mark, percent, recentShare } from "./words.js";

const PERIOD_MS = 1000;
const SHOWN_S = 120;

const STYLE = `
#brownout-strip { position: sticky; bottom: 0; z-index: 1200; box-sizing: border-box; width: 100%; max-height: 30vh;
  overflow: auto; padding: 6px 16px; font: 12.5px/1.4 system-ui, sans-serif; color: #1b1f24; background: #fff;
  border-top: 2px solid #767c85; }
#brownout-strip.dark { color: #e8eaed; background: #16191d; border-color: #9aa0a8; }
#brownout-strip .row { display: flex; flex-wrap: wrap; gap: 3px 6px; align-items: baseline; }
#brownout-strip .row + .row { margin-top: 6px; }
#brownout-strip .fault { padding: 1px 8px; border-radius: 4px; font-weight: 600; color: #1b1f24;
  background: repeating-linear-gradient(135deg, #f6c667 0 8px, #f2b33d 8px 12px); overflow-wrap: anywhere; }
#brownout-strip .operation, #brownout-strip .mitigation { background: none; color: inherit; border: 1px dashed; font-weight: 400; }
#brownout-strip .slo { padding: 0 6px; border: 1px solid #9aa0a8; border-radius: 4px; }
#brownout-strip .breached { border: 2px solid #c2410c; font-weight: 600; }
#brownout-strip.dark .breached { border-color: #ff9d66; }
#brownout-strip a { color: #0b5cad; margin-left: auto; }
#brownout-strip.dark a { color: #7fbcff; }
#brownout-strip .warning { font-weight: 600; }
`;

const strip = make("section", { id: "brownout-strip", "aria-label": "Faults and objectives" });

const isDark = () => {
  const [red, green, blue, alpha] = (getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
  if (red === undefined || alpha === 0) return matchMedia("(prefers-color-scheme: dark)").matches;
  return red + green + blue < 384;
};

const faultChip = (band, view) => {
  const since = `since ${clock(band.from_s)} (${duration((view.now_s - band.from_s) / view.rate)})`;
  return make("span", { class: `fault ${band.role}`, "data-fault": band.id }, `${bandText(band)} ${since}`);
};

const faultsRow = (view) => {
  const row = make("div", { class: "row" }, make("strong", {}, "Faults"));
  const found = active(view);
  if (!view.faults_known) row.append(make("span", { class: "warning" }, "not known: nothing tells this load about them"));
  else if (found.length === 0) row.append("none in place");
  for (const band of found) row.append(faultChip(band, view));
  row.append(make("a", { href: "./faults" }, "good share and latency in time"));
  return row;
};

const objectiveChip = (objective) => {
  const text = `${mark(objective.state)} ${objective.state} ${objective.name} ${percent(recentShare(objective))} of ${percent(objective.target)}`;
  const spent = objective.burn ? `, burn ${burn(objective)}` : "";
  const title = `${objective.description}. Judged: ${percent(judgedShare(objective))} of ${objective.total} good`;
  return make("span", { class: `slo ${objective.state}`, title }, text + spent);
};

const draw = (view) => {
  strip.className = isDark() ? "dark" : "";
  const objectives = make("div", { class: "row" }, make("strong", {}, "Objectives"), ...byUrgency(view.objectives).map(objectiveChip));
  const problems = view.problems.map((text) => make("div", { class: "row warning" }, `⚠ ${text}`));
  strip.replaceChildren(faultsRow(view), objectives, ...problems);
};

const refresh = async () => {
  try {
    draw(await fetchView(SHOWN_S));
  } catch {
    strip.replaceChildren(make("div", { class: "row warning" }, "The load does not answer any more."));
  }
  setTimeout(refresh, PERIOD_MS);
};

document.head.append(make("style", {}, STYLE));
document.body.append(strip);
refresh();
