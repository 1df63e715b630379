/** The last minutes, drawn by uPlot. */

// By a URL that is computed: it is served under a name that it does not have on the disk.
const { default: uPlot } = await import(new URL("uplot.js", import.meta.url).href);

const SAMPLES_MAX = 300;
const series = {
  rates: [["done", "done", "good"], ["rejected", "rejected", "warn"], ["failed", "failed", "bad"]],
  latency: [["p50Ms", "p50", "link"], ["p99Ms", "p99", "warn"]],
  queued: [["queued", "waiting", "link"]],
  lag: [["lagEvents", "events", "link"]],
  dead: [["dead", "dead letters", "bad"]],
  events: [["events", "events", "good"]],
};
/** Of what is counted, there is no half. */
const counted = ["queued", "lag", "dead"];
const wholes = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();
/** Seconds between times below a chart: the library has nothing between one minute and five. */
const incrs = [1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600];
/** So that any number has room beside its chart. */
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
let samples = [];
let plots = [];

export async function begin() {
  const response = await fetch("/console/samples");
  if (response.ok) samples = (await response.json()).samples;
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("themechange", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width !== innerWidth) draw();
    width = innerWidth;
  });
}

export function add(sample) {
  if (samples.some(({ at }) => at === sample.at)) return;
  samples = [...samples, sample].slice(-SAMPLES_MAX);
  for (const { id, plot } of plots) plot.setData(dataOf(id));
}

function dataOf(id) {
  return [samples.map(({ at }) => at / 1000), ...series[id].map(([field]) => samples.map((s) => s[field]))];
}

/** Canvases know no CSS: they are drawn anew in the colours of the theme. */
function draw() {
  for (const { plot } of plots) plot.destroy();
  plots = [...document.querySelectorAll("[data-chart]")].map((place) => {
    const id = place.dataset.chart;
    const axis = {
      stroke: colour("muted"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
    };
    const options = {
      width: place.clientWidth,
      height: place.clientHeight - (series[id].length > 1 ? 26 : 0),
      legend: { show: series[id].length > 1, live: false },
      padding: [8, 30, 0, 0],
      cursor: { show: false },
      scales: {
        y: { range: (_plot, _low, high) => [0, Math.max(high ?? 0, counted.includes(id) ? 4 : 1) * 1.1] },
      },
      axes: [{ ...axis, size: 26, space: 62, incrs, values: (_plot, times) => times.map(clock) }, {
        ...axis,
        size: 46,
        values: (_plot, values) => values.map((value) => short.format(value)),
        ...(counted.includes(id) ? { incrs: wholes } : {}),
      }],
      series: [
        {},
        ...series[id].map(([, label, name]) => ({
          label,
          stroke: colour(name),
          width: 2,
          spanGaps: false,
          // One sample alone is no line.
          points: { show: () => samples.length < 2 },
        })),
      ],
    };
    return { id, plot: new uPlot(options, dataOf(id), place) };
  });
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

/** A colour of the theme; `light-dark()` is only resolved where it is used. */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
