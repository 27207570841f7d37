// Bars by uPlot: over time, or one for each range. uPlot draws on a canvas, so colours are read from the style.

const plots = new Set();
const PLOT_HEIGHT = 210;
const LEAST = 0.008; // of the height: a count that is there is seen, however small

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const layerColour = (at) => colour(at < COLOURS ? `--s${at}` : "--rest");

/** Bars that begin at these moments and are so wide. */
function timeAxis(moments, width) {
  return {
    xs: moments.map((moment) => moment / 1000),
    range: [moments[0] / 1000, (moments.at(-1) + width) / 1000],
    align: 1,
    time: true,
    labels: (splits) => splits.map((split) => {
      const clock = clockText(split * 1000);
      return splits[1] - splits[0] < 60 ? secondText(split * 1000) : clock === "00:00" ? dayText(split * 1000) : clock;
    }),
    title: (at) => `${dayText(moments[at])}, ${[moments[at], moments[at] + width].map(width < 60000 ? secondText : clockText).join("–")}`,
  };
}

/** A bar for each of these names. */
function nameAxis(names) {
  return {
    xs: names.map((_, at) => at), range: [-0.5, names.length - 0.5], align: 0, time: false,
    splits: (plot) => {
      const every = Math.max(1, Math.ceil((48 * names.length) / (plot.width - 52)));
      return names.map((_, at) => at).filter((at) => at % every === 0);
    },
    labels: (splits) => splits.map((split) => names[split] ?? ""),
    title: (at) => names[at],
  };
}

/** Draw stacked bars into an element, in place of its former plot, and return the plot. */
function plotDrawn(host, former, axis, layers, lines) {
  const highest = Math.max(1, ...axis.xs.map((_, at) => sum(layers.map(({ counts }) => counts[at]))));
  const heights = axis.xs.map(() => 0);
  const stacked = layers.map(({ counts }) => counts.map((count, at) => (heights[at] += count && Math.max(count, highest * LEAST))));
  const scale = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const tip = node("div", { class: "tip", hidden: "" });
  const plot = new uPlot({
    width: host.clientWidth, height: PLOT_HEIGHT,
    legend: { show: false },
    padding: [8, 28, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone),
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: axis.time, range: axis.range }, y: { range: [0, Math.max(...heights, 1) * 1.05] } },
    axes: [
      { ...scale, grid: { show: false }, size: 24, gap: 4, space: 62, splits: axis.splits, values: (_, splits) => axis.labels(splits) },
      { ...scale, size: 44, gap: 6, space: 34, incrs: [1, 2, 5].flatMap((unit) => Array.from({ length: 12 }, (_, power) => unit * 10 ** power)).sort((one, other) => one - other), values: (_, splits) => splits.map(short) },
    ],
    // The highest first: each lower layer is drawn over it.
    series: [{}, ...layers.map(({ colour: at }) => ({ fill: () => layerColour(at), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.86, 90], align: axis.align }) })).reverse()],
    hooks: { setCursor: [(self) => tipShown(self, tip, axis, lines)] },
  }, [axis.xs, ...stacked.reverse()], host);
  plot.over.append(tip);
  if (former) {
    plots.delete(former);
    former.destroy();
  }
  plots.add(plot);
  return plot;
}

function tipShown(plot, tip, axis, lines) {
  const { idx: nearest, left } = plot.cursor;
  const at = nearest === null || nearest === undefined || left < 0 ? -1 : axis.align === 1 && plot.posToVal(left, "x") < axis.xs[nearest] ? nearest - 1 : nearest;
  const texts = at < 0 ? [] : lines(at);
  tip.hidden = !texts.length;
  if (tip.hidden) return;
  tip.replaceChildren(...[axis.title(at), ...texts].map((text) => node("div", {}, plain(text))));
  const isRight = left > plot.over.clientWidth / 2;
  tip.style.left = isRight ? "auto" : `${left + 12}px`;
  tip.style.right = isRight ? `${plot.over.clientWidth - left + 12}px` : "auto";
}
