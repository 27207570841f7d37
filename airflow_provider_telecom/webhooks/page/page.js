"use strict";

// Vendors' texts are written into text nodes and titles only, never into markup, classes or addresses.

const REFRESH_MS = 2000;
const AFTER_ERROR_MS = 5000;
const TIMEOUT_MS = 15000;
const HOUR_MS = 3600 * 1000;
const VERDICTS = new Map([["accepted", "✓"], ["duplicate", "="], ["stale", "↶"], ["refused", "✕"]]);
const EMPTY = {
  operations: "No operation yet. When a task starts one that a vendor reports on, its progress is shown here.",
  webhooks: "No webhook yet. When a task has given a vendor an address of this Airflow, each post is shown here with its verdict.",
  hours: "Nothing in this time. States that vendors report (delivered, expired, done) are counted here by hour.",
  vendors: "No vendor has webhooks.",
};

const $ = (selector) => document.querySelector(selector);
const shown = new Map(); // the data that each section was last drawn from
let skew = 0; // the server's clock minus this one's
let back = 24; // hours that the plot shows
let latest = null;
let labels = {}; // of vendors, by id

// ---- building blocks

function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A vendor's text: characters that could reorder, hide or break a line are made visible. */
const plain = (value) => String(value ?? "").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");

/** A vendor's text that may be cut where there is no room; its title has all of it. */
function text(value, kind = "") {
  const whole = plain(value);
  return node("bdi", { class: `cut ${kind}`, title: whole }, whole);
}

const vendorName = (vendor) => plain(Object.hasOwn(labels, vendor) ? labels[vendor] : vendor);

const whole = (value) => (Number.isFinite(value) ? Math.max(0, Math.round(value)) : 0);

function short(value) {
  if (value < 10000) return exact(value);
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value).replace("K", "k");
}

const exact = (value) => value.toLocaleString("en");

const number = (value) => node("span", { title: exact(whole(value)) }, short(whole(value)));

// ---- time: in the zone that is chosen in Airflow, or in the browser's

const zone = (() => {
  try {
    const chosen = (localStorage.getItem("timezone") ?? "").replaceAll('"', "");
    new Intl.DateTimeFormat("en", { timeZone: chosen });
    return chosen;
  } catch {
    return undefined;
  }
})();

const format = (options) => {
  const made = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  return (moment) => made.format(moment);
};
const dayText = format({ day: "numeric", month: "short" });
const clockText = format({ hour: "2-digit", minute: "2-digit" });
const secondText = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const exactText = format({
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

const now = () => Date.now() + skew;

function ago(moment) {
  const seconds = Math.max(0, Math.floor((now() - moment) / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function when(iso) {
  const moment = Date.parse(iso);
  if (Number.isNaN(moment)) return text(iso);
  return node("time", { datetime: new Date(moment).toISOString(), title: exactText(moment) }, ago(moment));
}

function renewTimes() {
  for (const time of document.querySelectorAll("time")) {
    const text = ago(Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// ---- sections

function receiverDrawn({ open, why, base_url: address }) {
  const badge = $("#receiver .badge");
  badge.className = `badge ${open ? "open" : "closed"}`;
  badge.textContent = open ? "receiver open" : "receiver closed";
  const said = open
    ? ["Vendors post to ", node("code", {}, plain(address)), "."]
    : [node("bdi", {}, plain(why).replace(/\.$/, "")), ". Until then tasks poll the vendors."];
  $("#receiver .said").replaceChildren(...said);
}

function operationDrawn(operation) {
  const [done, total, failed] = [whole(operation.done), whole(operation.total), whole(operation.failed)];
  const share = (part) => (total ? Math.min(100, (100 * part) / total) : operation.final ? 100 : 0);
  const percent = Math.floor(share(done));
  const bar = node("div", {
    class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percent,
    "aria-valuetext": `${done} of ${total}`, "aria-label": `${plain(operation.operation)} ${plain(operation.id)}`,
  }, node("span"), node("span"));
  bar.children[0].style.width = `${share(Math.max(0, done - failed))}%`;
  bar.children[1].style.width = `${share(Math.min(done, failed))}%`;
  return node("div", { class: operation.final ? "operation-row final" : "operation-row" },
    node("div", { class: "line" },
      node("span", {}, text(operation.operation, "operation"), operation.id === null ? null : " ",
        operation.id === null ? null : text(operation.id, "soft")),
      node("span", {}, operation.final ? "done" : `${percent} %`)),
    bar,
    node("div", { class: "line soft" },
      node("span", {}, number(done), " of ", number(total), failed ? node("span", { class: "failed" }, ", ", number(failed), " failed") : null,
        " · ", text(operation.connection)),
      when(operation.at)));
}

function operationsDrawn(operations) {
  const done = operations.filter((operation) => operation.final).length;
  const counts = [[operations.length - done, "running"], [done, "done"]].filter(([count]) => count);
  $("#operations h2 span").textContent = counts.map(([count, word]) => `${count} ${word}`).join(", ");
  fill("#operations", "operations", operations.length && operations.map(operationDrawn));
}

const WEBHOOK = ["when", "from", "state", "about", "connection", "verdict", "why"];

function webhookDrawn(webhook) {
  return row([
    [when(webhook.at)],
    [node("bdi", { class: "cut" }, vendorName(webhook.vendor)), " ", text(webhook.kind, "soft")],
    [text(webhook.state)],
    [text(webhook.about)],
    [text(webhook.connection, "soft")],
    [verdictDrawn(webhook.verdict)],
    [node("span", { title: plain(webhook.why) }, plain(webhook.why))],
  ], WEBHOOK);
}

function verdictDrawn(verdict) {
  const sign = VERDICTS.get(verdict);
  return sign ? node("span", { class: `badge ${verdict}` }, `${sign} ${verdict}`) : text(verdict, "badge");
}

function row(cells, classes, names = classes) {
  return node("tr", {}, ...cells.map((cell, at) => node("td", { class: classes[at], "data-name": names[at] }, ...cell)));
}

function table(heads, classes, rows) {
  const head = node("tr", {}, ...heads.map((text, at) => node("th", { scope: "col", class: classes[at] }, text)));
  return node("table", {}, node("thead", {}, head), node("tbody", {}, ...rows));
}

function webhooksDrawn(webhooks) {
  fill("#webhooks", "webhooks", webhooks.length && [table(WEBHOOK, WEBHOOK, webhooks.map(webhookDrawn))]);
}

function vendorsDrawn(vendors) {
  const kinds = [...VERDICTS.keys()];
  const classes = ["", ...kinds.map(() => "number")];
  const rows = vendors.map((vendor) => row([
    [node("bdi", { class: "cut", title: vendorName(vendor.vendor) }, vendorName(vendor.vendor))],
    ...kinds.map((kind) => [countDrawn(kind, whole(vendor[kind]))]),
  ], classes));
  fill("#vendors", "vendors", vendors.length && [table(["Vendor", ...kinds], classes, rows)]);
}

function countDrawn(kind, count) {
  const made = number(count);
  made.className = count ? kind : "zero";
  return made;
}

/** Put nodes into a section, or say what would be there. */
function fill(section, what, nodes) {
  $(`${section} .body`).replaceChildren(...(nodes || [node("p", { class: "empty" }, EMPTY[what])]));
}

// ---- the states by hour

const GOOD = /^(delivered|read|done|success|active|ok)$/i;
const BAD = /fail|expire|undeliv|reject|error|unpaid|refus|inactive|absent|block/i;
const COLOURS = 6; // and one for the rest
const colours = new Map(); // a state keeps its colour while the page is open

function colourOf(key) {
  return colours.get(key) ?? COLOURS;
}

/** Give the most frequent states colours: cool ones if they are good, warm ones if they are not. */
function assignColours(totals) {
  for (const [key] of [...totals].sort((one, other) => other[1] - one[1])) {
    if (colours.size === COLOURS || colours.has(key)) continue;
    const state = key.split("/").slice(2).join("/");
    const wanted = GOOD.test(state) ? [1, 0, 2, 5, 4, 3] : BAD.test(state) ? [3, 4, 5, 2, 0, 1] : [0, 2, 5, 4, 1, 3];
    const taken = new Set(colours.values());
    colours.set(key, wanted.find((colour) => !taken.has(colour)));
  }
}

const label = (key) => {
  const [vendor, kind, ...state] = key.split("/");
  return [vendorName(vendor), plain(kind), plain(state.join("/"))].join(" ");
};

/** Make the hours into bars of as many hours as leave each bar some pixels. */
function bars(hours, width) {
  const wide = [1, 2, 3, 6, 12].find((hoursEach) => (width * hoursEach) / back >= 5) ?? 24;
  const step = wide * HOUR_MS;
  const ends = (Math.floor(now() / HOUR_MS) + 1) * HOUR_MS;
  const starts = ends - back * HOUR_MS;
  const found = Array.from({ length: back / wide }, (_, at) => ({ from: starts + at * step, to: starts + (at + 1) * step, states: new Map() }));
  for (const { hour, states } of hours) {
    const bar = found[Math.floor((Date.parse(hour) - starts) / step)];
    if (!bar) continue;
    for (const [key, count] of Object.entries(states)) bar.states.set(key, (bar.states.get(key) ?? 0) + whole(count));
  }
  return found;
}

function totalsOf(found) {
  const totals = new Map();
  for (const { states } of found) for (const [key, count] of states) totals.set(key, (totals.get(key) ?? 0) + count);
  return totals;
}

const sum = (counts) => [...counts].reduce((whole, count) => whole + count, 0);

let hoursPlot = null;

function hoursDrawn(hours) {
  const host = $("#hours .plot");
  const found = bars(hours, host.clientWidth - 48);
  const totals = totalsOf(found);
  assignColours(totals);
  const nothing = totals.size === 0;
  host.hidden = nothing;
  const each = (found[0].to - found[0].from) / HOUR_MS;
  $("#hours h2 span").textContent = nothing ? "" : `events per ${each === 1 ? "hour" : `${each} hours`}`;
  const empty = $("#hours .empty");
  empty.hidden = !nothing;
  empty.textContent = EMPTY.hours;
  host.setAttribute("aria-label", `States by hour, last ${back} hours: ${[...totals].map(([key, count]) => `${label(key)} ${count}`).join(", ")}`);
  $("#hours .legend").replaceChildren(...legend(totals));
  if (nothing) return;
  const layers = Array.from({ length: COLOURS + 1 }, (_, colour) => ({
    colour, counts: found.map(({ states }) => sum([...states].filter(([key]) => colourOf(key) === colour).map(([, count]) => count))),
  })).filter(({ counts }) => counts.some(Boolean));
  hoursPlot = plotDrawn(host, hoursPlot, timeAxis(found.map(({ from }) => from), each * HOUR_MS), layers, (at) => {
    const states = [...found[at].states].filter(([, count]) => count).sort((one, other) => colourOf(one[0]) - colourOf(other[0]) || other[1] - one[1]);
    return [...states.map(([key, count]) => `${label(key)}: ${exact(count)}`), ...(states.length === 1 ? [] : [`all: ${exact(sum(found[at].states.values()))}`])];
  });
}

function legend(totals) {
  const sorted = [...totals].sort((one, other) => colourOf(one[0]) - colourOf(other[0]));
  const coloured = sorted.filter(([key]) => colourOf(key) < COLOURS);
  const rest = sorted.filter(([key]) => colourOf(key) === COLOURS);
  const item = (colour, text, count, title) =>
    node("li", { title }, node("span", { class: `swatch c${colour}` }), node("bdi", { class: "cut" }, text), node("span", { class: "soft" }, number(count)));
  const items = coloured.map(([key, count]) => item(colourOf(key), label(key), count, label(key)));
  if (!rest.length) return items;
  const names = rest.map(([key, count]) => `${label(key)}: ${exact(count)}`).join("\n");
  return [...items, item(COLOURS, rest.length === 1 ? label(rest[0][0]) : `${rest.length} others`, sum(rest.map(([, count]) => count)), names)];
}

function rangeChosen(hours) {
  back = hours;
  for (const button of document.querySelectorAll(".ranges button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.hours) === hours));
  }
  if (latest) hoursDrawn(latest.hours);
}

// ---- refresh

const SECTIONS = { receiver: receiverDrawn, operations: operationsDrawn, webhooks: webhooksDrawn, hours: hoursDrawn, vendors: vendorsDrawn };

/** Draw the sections whose data has changed, and the plot also in a new hour. */
function drawAll(data) {
  skew = Date.parse(data.now) - Date.now() || 0;
  latest = data;
  labels = data.labels;
  for (const [name, draw] of Object.entries(SECTIONS)) {
    const from = JSON.stringify(data[name]) + (name === "hours" ? Math.floor(now() / HOUR_MS) : "");
    if (shown.get(name) === from) continue;
    draw(data[name]);
    shown.set(name, from);
  }
}

function showStatus(state, message, error = "") {
  const live = $("#live");
  if (live.dataset.state !== state || $("#live .said").textContent !== message) {
    live.dataset.state = state;
    $("#live .said").textContent = message;
  }
  const box = $("#trouble");
  if (box.textContent !== error) box.textContent = error;
  box.hidden = !error;
}

/** Fetch and draw once; return how long to wait until the next time. */
async function refresh() {
  let answer;
  try {
    answer = await fetch("page/data", { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.ok && !answer.redirected) {
      drawAll(await answer.json());
      showStatus("live", "live");
      return REFRESH_MS;
    }
  } catch (error) {
    showStatus("trouble", "no connection", `Airflow does not answer (${error.name}). What is shown may be old; trying again.`);
    return AFTER_ERROR_MS;
  }
  if (answer.status === 401 || answer.status === 403 || answer.redirected) {
    showStatus("trouble", "signed out", "You are signed out, or may no longer see plugins. Reload Airflow to sign in again.");
  } else {
    showStatus("trouble", "error", `Airflow answered ${answer.status}; its api-server's log says why. What is shown may be old; trying again.`);
  }
  return AFTER_ERROR_MS;
}

async function keepRefreshing() {
  const wait = document.hidden ? REFRESH_MS : await refresh(); // nobody sees a hidden page
  setTimeout(keepRefreshing, wait);
}

// ---- the theme: Airflow's own where it can be read, else the system's

function followTheme() {
  const own = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const frame = window.frameElement; // null in a stranger's frame
  const shell = frame?.ownerDocument.documentElement;
  const choose = () => {
    const named = ["dark", "light"].find((theme) => shell?.classList.contains(theme));
    own.dataset.theme = named ?? (system.matches ? "dark" : "light");
    if (named) blendIn(frame, own.style);
    for (const plot of plots) plot.redraw(false);
  };
  choose();
  system.addEventListener("change", choose);
  if (shell) new MutationObserver(choose).observe(shell, { attributes: true, attributeFilter: ["class"] });
}

/** Take the ground and the font of what is around the frame. */
function blendIn(frame, style) {
  style.setProperty("--font", getComputedStyle(frame).fontFamily);
  style.removeProperty("--ground");
  for (let around = frame; around; around = around.parentElement) {
    const ground = getComputedStyle(around).backgroundColor;
    if (/[,/] 0\)$/.test(ground)) continue; // transparent
    style.setProperty("--ground", ground);
    return;
  }
}
