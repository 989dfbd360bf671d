// How figures are told, the same in the strip and on the page.

export const percent = (share) => {
  if (share === null || Number.isNaN(share)) return "–";
  for (let digits = 1; digits < 5; digits += 1) {
    const text = (share * 100).toFixed(digits);
    if (share === 0 || share === 1 || (Number(text) !== 0 && Number(text) !== 100)) return `${Number(text)} %`;
  }
  return share < 0.5 ? "0 %" : "100 %";
};

export const milliseconds = (ms) => {
  if (ms === null) return "–";
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
};

export const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

export const duration = (seconds) => {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
};

const MARKS = { met: "✓", breached: "✗", undecided: "?" };

export const mark = (state) => MARKS[state] ?? "?";

// Faults that are in place; what operators do is told apart from what breaks.
export const active = (view) => view.bands.filter((band) => band.until_s === null);

export const byUrgency = (objectives) => {
  const order = ["breached", "undecided", "met"];
  return [...objectives].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
};

export const recentShare = (objective) =>
  objective.recent_total ? 1 - objective.recent_bad / objective.recent_total : null;

export const judgedShare = (objective) => (objective.total ? 1 - objective.bad / objective.total : null);

export const burn = (objective) => {
  if (objective.burn === null) return "";
  return objective.burn >= 10 ? `${Math.round(objective.burn)}×` : `${objective.burn.toFixed(1)}×`;
};

// What a fault is, in a few words; one put in place by hand has no name but its kind.
export const bandText = (band) => (band.name === band.kind ? `${band.kind} on ${band.target}` : `${band.name} (${band.kind} on ${band.target})`);

// An element with text and children; never parses what it is given as HTML.
export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
};

export const fetchView = async (shown) => {
  const answer = await fetch(new URL(`./data?shown=${shown}`, import.meta.url), { cache: "no-store" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
};
