// Campaigns: a table in pages, and the details of the one that is chosen.

const CAMPAIGNS_MS = 4000;
const CAMPAIGN = ["campaign", "state", "started", "recipients", "sent", "delivered", "silent", "unknown", "spent", "budget"];
const CAMPAIGN_CLASSES = CAMPAIGN.map((name, at) => `in-${name}${at > 2 && name !== "budget" ? " number" : ""}`);
const NO_CAMPAIGN = "No campaign yet. A Dag run with a task that writes to many people is shown here.";
const FORBIDDEN = "You may not read task instances and XComs, which campaigns are shown from.";
const LEAST_BARS = 15;
const ENDED = ["success", "failed", "skipped"];

let chosen = null; // the campaign whose details are shown: its Dag and its run
let campaign = null; // its details
let tablePage = 0;

// ---- values

const known = (value) => typeof value === "number";

const counted = (value) => (known(value) ? number(value) : node("span", { class: "zero" }, "–"));

const percentOf = (part, all) => (known(part) && known(all) && all > 0 ? `${Math.round((100 * part) / all)} %` : "");

function seconds(value) {
  if (!known(value)) return "–";
  if (value < 10) return `${Number(value.toFixed(1))} s`;
  if (value < 60) return `${Math.round(value)} s`;
  return value < 3600 ? `${Math.round(value / 60)} min` : `${Number((value / 3600).toFixed(1))} h`;
}

function money(value, currency) {
  const amount = Number(value);
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: amount < 10 ? 4 : 2 };
  return node("span", { class: "money", title: `${plain(value)} ${plain(currency)}` }, amount.toLocaleString("en", digits), " ", node("span", { class: "soft" }, plain(currency)));
}

function spent(amounts) {
  const found = Object.entries(amounts);
  return found.length ? found.flatMap(([currency, value], at) => [at ? node("br") : null, money(value, currency)]) : [counted(null)];
}

const STATE_CLASSES = { success: "accepted", failed: "refused", skipped: "duplicate", waiting: "duplicate", queued: "duplicate" };

const stateDrawn = (state) => node("span", { class: `badge ${STATE_CLASSES[state] ?? "running"}` }, plain(state));

/** A bar of parts, each with a class and a count. */
function partsDrawn(parts, all, label) {
  const done = sum(parts.map(([, count]) => count));
  const percent = all ? Math.min(100, Math.floor((100 * done) / all)) : 0;
  const bar = node("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percent, "aria-label": label });
  for (const [kind, count] of parts) {
    const part = node("span", { class: kind });
    part.style.width = `${all ? Math.min(100, (100 * count) / all) : 0}%`;
    bar.append(part);
  }
  return bar;
}

function budgetDrawn(budget, whole = budget.per_day ?? budget.per_task, used = Number(budget.spent), reserved = Number(budget.reserved)) {
  const cap = Number(whole);
  const title = `${plain(budget.name)}: ${used} spent, ${reserved} reserved${whole === null ? "" : ` of ${cap}`} ${plain(budget.currency)}`;
  return node("div", { class: "budget", title },
    node("span", { class: "cut" }, plain(budget.name)),
    whole === null ? null : partsDrawn([["calm", used], ["later", reserved]], cap, title));
}

// ---- the table

function campaignDrawn(found) {
  const total = found.messages;
  const running = !ENDED.includes(found.state) && known(found.rows) && known(total);
  const name = node("button", { type: "button", class: "name", "aria-label": `${plain(found.dag_id)} ${plain(found.run_id)}` }, plain(found.dag_id));
  name.addEventListener("click", () => campaignChosen(found));
  const made = row([
    [name, node("div", { class: "soft cut", title: plain(found.run_id) }, plain(found.run_id))],
    [stateDrawn(found.state), found.failed ? node("div", { class: "refused" }, `${exact(found.failed)} failed`) : null],
    [found.started ? when(found.started) : counted(null)],
    [counted(found.recipients)],
    [counted(found.sent), running ? partsDrawn([["calm", Math.min(found.rows, total)]], total, `${exact(found.rows)} of ${exact(total)} messages`) : null],
    [counted(found.reached), node("div", { class: "soft" }, percentOf(found.reached, found.recipients))],
    [counted(found.silent)],
    [counted(found.unknown)],
    spent(found.spent),
    found.budgets.length ? found.budgets.map((budget) => budgetDrawn(budget)) : [counted(null)],
  ], CAMPAIGN_CLASSES, CAMPAIGN);
  if (isChosen(found)) made.classList.add("chosen");
  return made;
}

const isChosen = ({ dag_id: dag, run_id: run }) => chosen !== null && chosen.dag_id === dag && chosen.run_id === run;

function campaignsDrawn({ total, first, size, rows }) {
  const body = rows.length ? [table(CAMPAIGN, CAMPAIGN_CLASSES, rows.map(campaignDrawn))] : [node("p", { class: "empty" }, NO_CAMPAIGN)];
  $("#campaigns .body").replaceChildren(...body);
  $("#campaigns h2 span").textContent = total > size ? `${exact(first + 1)}–${exact(first + rows.length)} of ${exact(total)}` : "";
  tablePage = Math.floor(first / size);
  const [newer, older] = document.querySelectorAll("#campaigns .pages button");
  $("#campaigns .pages").hidden = total <= size;
  newer.disabled = first === 0;
  older.disabled = first + size >= total;
}

// ---- the details

function campaignChosen(row) {
  chosen = isChosen(row) ? null : { dag_id: row.dag_id, run_id: row.run_id };
  campaign = null;
  $("#campaign").hidden = chosen === null;
  shown.delete("campaigns");
  shown.delete("campaign");
  refreshCampaigns();
}

const STEP = ["step", "state", "recipients", "sent", "delivered", "not delivered", "silent", "unknown", "refused", "delay", "spent"];
const STEP_CLASSES = STEP.map((name, at) => `in-${name.replace(" ", "-")}${at > 1 ? " number" : ""}`);

function stepDrawn(step) {
  const failed = known(step.undelivered) || known(step.expired) ? (step.undelivered ?? 0) + (step.expired ?? 0) : null;
  const facts = [step.kinds.map(plain).join(", "), step.places > 1 ? `${exact(step.places)} shards` : ""].filter(Boolean).join(", ");
  const running = !ENDED.includes(step.state) && known(step.rows) && known(step.recipients);
  return row([
    [node("bdi", { class: "cut", title: step.tasks.map(plain).join("\n") }, plain(step.name)), " ", node("span", { class: "soft" }, facts)],
    [stateDrawn(step.state)],
    [counted(step.recipients), step.handed_over ? node("div", { class: "soft" }, `${exact(step.handed_over)} handed over`) : null],
    [counted(step.sent), running ? partsDrawn([["calm", Math.min(step.rows, step.recipients)]], step.recipients, `${exact(step.rows)} of ${exact(step.recipients)} messages`) : null],
    [counted(step.reached), known(step.read) ? node("div", { class: "soft" }, `${short(step.read)} read`) : null],
    [counted(failed)],
    [counted(step.silent)],
    [counted(step.unknown)],
    [counted(step.refused)],
    known(step.delay_p50) ? [node("span", { title: "half of the receipts came within this time, 95 % within the second one" }, `${seconds(step.delay_p50)} / ${seconds(step.delay_p95)}`)] : [counted(null)],
    spent(step.spent),
  ], STEP_CLASSES, STEP);
}

function dayDrawn(budget) {
  const used = Number(budget.day_spent);
  const reserved = Number(budget.day_reserved);
  const line = (text, ...amounts) => node("div", { class: "soft" }, text, " ", ...amounts);
  return node("div", { class: "day" },
    budgetDrawn(budget, budget.per_day ?? budget.per_task, budget.per_day === null ? Number(budget.spent) : used, budget.per_day === null ? Number(budget.reserved) : reserved),
    line("this campaign:", money(budget.spent, budget.currency), Number(budget.reserved) ? " and reserved " : "", Number(budget.reserved) ? money(budget.reserved, budget.currency) : ""),
    line(`${plain(budget.day)}, all tasks:`, money(budget.day_spent, budget.currency), reserved ? " and reserved " : "", reserved ? money(budget.day_reserved, budget.currency) : "",
      budget.per_day === null ? "" : " of ", budget.per_day === null ? "" : money(budget.per_day, budget.currency)));
}

function reportDrawn(report) {
  const facts = [["reached", counted(report.delivered), " ", percentOf(report.delivered, report.recipients)],
    ["reached twice, since a receipt came late", counted(report.delivered_twice)], ["may be paid, outcome unknown", counted(report.may_be_paid)],
    ...Object.entries(report.price_per_delivered).map(([currency, price]) => ["for each who was reached", money(price, currency)])];
  return node("dl", {}, ...facts.flatMap(([name, ...values]) => [node("dt", {}, name), node("dd", {}, ...values)]));
}

function errorDrawn(error) {
  const place = error.map_index >= 0 ? ` [${error.map_index}]` : "";
  return node("li", {},
    node("bdi", { class: "task" }, plain(error.task_id), place), " ", node("span", { class: "soft" }, `try ${plain(error.try)}, ${plain(error.state)} `), error.at ? when(error.at) : "",
    node("div", { class: "why" }, error.kind ? node("b", {}, plain(error.kind)) : null, error.kind ? ": " : null, plain(error.text ?? "The task's log in Airflow says why.")));
}

function detailsDrawn(data) {
  const isNew = campaign === null;
  campaign = data;
  const row = data.campaign;
  $("#campaign h2").replaceChildren(node("bdi", {}, plain(row.dag_id)), " ", node("bdi", { class: "soft" }, plain(row.run_id)));
  $("#campaign .steps").replaceChildren(table(STEP, STEP_CLASSES, data.steps.map(stepDrawn)));
  $("#campaign .budgets").replaceChildren(...data.budgets.map(dayDrawn));
  $("#campaign .budgets").parentElement.hidden = !data.budgets.length;
  $("#campaign .reports").replaceChildren(...data.reports.map(reportDrawn));
  $("#campaign .reports").parentElement.hidden = !data.reports.length;
  $("#campaign .errors").replaceChildren(...data.errors.map(errorDrawn));
  $("#campaign .errors").parentElement.hidden = !data.errors.length;
  plotsDrawn(data);
  if (isNew) $("#campaign").scrollIntoView({ block: "nearest" });
}

const deliveries = { delivered: null, delays: null };

function plotsDrawn({ delivered_at: delivered, delays }) {
  const [times, waits] = ["#campaign .plot.delivered", "#campaign .plot.delays"].map($);
  times.parentElement.hidden = !delivered;
  waits.parentElement.hidden = !delays;
  if (delivered) {
    const width = delivered.seconds * 1000;
    const counts = [...delivered.counts, ...Array(Math.max(0, LEAST_BARS - delivered.counts.length)).fill(0)];
    const moments = counts.map((_, at) => Date.parse(delivered.start) + at * width);
    deliveries.delivered = plotDrawn(times, deliveries.delivered, timeAxis(moments, width), [{ colour: 1, counts }], (at) => [`delivered: ${exact(counts[at])}`]);
    times.setAttribute("aria-label", `Deliveries over time, ${exact(sum(delivered.counts))} in all`);
  }
  if (delays) {
    const names = [...delays.bounds.map(seconds), "more"];
    const first = delays.counts.findIndex(Boolean);
    const last = delays.counts.findLastIndex(Boolean);
    const counts = delays.counts.slice(first, last + 1);
    deliveries.delays = plotDrawn(waits, deliveries.delays, nameAxis(names.slice(first, last + 1)), [{ colour: 0, counts }], (at) => [`messages: ${exact(counts[at])}`]);
    waits.setAttribute("aria-label", `Receipt delay: ${counts.map((count, at) => `${names[first + at]} ${count}`).join(", ")}`);
  }
}

// ---- refresh

/** Fetch JSON; null if there is none for this user, undefined if it failed. */
async function fetched(path) {
  try {
    const answer = await fetch(path, { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.ok && !answer.redirected) return await answer.json();
    return answer.status === 403 || answer.status === 404 ? null : undefined;
  } catch {
    return undefined; // the other refresh says so
  }
}

async function refreshCampaigns() {
  const wanted = chosen;
  const [list, data] = await Promise.all([
    fetched(`page/campaigns?page=${tablePage}`),
    wanted && fetched(`page/campaign?${new URLSearchParams(wanted)}`),
  ]);
  if (list === null) fillCampaigns(FORBIDDEN);
  if (list) drawIfChanged("campaigns", list, campaignsDrawn);
  if (data && wanted === chosen) drawIfChanged("campaign", data, detailsDrawn);
  if (wanted && data === null && wanted === chosen) $("#campaign").hidden = true;
}

function fillCampaigns(text) {
  shown.delete("campaigns");
  $("#campaigns .pages").hidden = true;
  $("#campaigns .body").replaceChildren(node("p", { class: "empty" }, text));
}

/** Draw a section again only if its data is another, so a click or a selection is not lost. */
function drawIfChanged(name, { now: _, ...data }, draw) {
  const from = JSON.stringify(data);
  if (shown.get(name) === from) return;
  draw(data);
  shown.set(name, from);
}

async function keepCampaignsRefreshed() {
  if (!document.hidden) await refreshCampaigns();
  setTimeout(keepCampaignsRefreshed, CAMPAIGNS_MS);
}

function pageTurned(by) {
  tablePage = Math.max(0, tablePage + by);
  refreshCampaigns();
}
