/** What the pages do beyond HTML: parts that stay up to date, keys, the theme, times as people say them. */
import { beginKeys } from "./keys.js";
import { beginTheme } from "./theme.js";

const ago = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });

function sayTime(at) {
  const seconds = Math.round((Date.now() - at) / 1000);
  for (const [unit, size] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return ago.format(-Math.round(seconds / size), unit);
  }
  return ago.format(-seconds, "second");
}

function sayTimes(within) {
  for (const time of within.querySelectorAll("time")) time.textContent = sayTime(Date.parse(time.dateTime));
}

/** Fetches this page again and takes over the parts that are live. What is being typed or pointed at stays. */
let isRefreshing = false;
let isStale = false;
async function refresh() {
  const parts = [...document.querySelectorAll("[data-live]")];
  // What comes while one is on its way may not be in it.
  isStale = isRefreshing;
  if (isRefreshing || document.hidden || parts.length === 0) return;
  isRefreshing = true;
  // Of a page that answered a form, and where nothing else is live, only the alerts above it: any page has them.
  const isPosted = document.body.dataset.posted !== undefined;
  const url = parts.length > 1 && !isPosted ? location.href : "/console/alerts";
  try {
    const response = await fetch(url, { headers: { "x-folio-live": "1" } });
    if (response.redirected) return sayOver();
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of parts) {
      const next = fresh.getElementById(part.id);
      if (!next || part.contains(document.activeElement)) continue;
      sayTimes(next);
      if (next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
    }
  } catch {
    // The server is not there: the pages stay as they are, and go on when it is back.
  } finally {
    isRefreshing = false;
    if (isStale) refresh();
  }
}

/** The dot beside the name: whether what is shown here is up to date. */
function sayLive(isLive) {
  const dot = document.getElementById("live");
  dot.hidden = false;
  dot.classList.toggle("off", !isLive);
  dot.textContent = dot.title = isLive ? "live" : "not connected: what is shown may be old";
}

/** The session has ended: what is shown stays, so that nothing that is being typed in is lost. */
function sayOver() {
  document.getElementById("session-over").hidden = false;
  sayLive(false);
  source?.close();
  isOver = true;
}

/** Listens to what is new; where the server gives no stream now, again after a while. */
const AGAIN_MS = 10_000;
let source;
let isOver = false;
function listen(charts) {
  if (isOver) return;
  source = new EventSource("/console/live");
  source.addEventListener("open", () => sayLive(true));
  source.addEventListener("error", () => {
    sayLive(false);
    if (source.readyState !== EventSource.CLOSED) return;
    refresh();
    setTimeout(() => listen(charts), AGAIN_MS);
  });
  source.addEventListener("sample", (event) => {
    charts?.add(JSON.parse(event.data));
    refresh();
  });
}

/** The slider through an actor's past: shows the number at once, and goes there when it is let go. */
for (const slider of document.querySelectorAll("input[type=range]")) {
  const output = slider.form.querySelector("output");
  slider.addEventListener("input", () => output.value = slider.value);
  slider.addEventListener("change", () => slider.form.requestSubmit());
}
for (const select of document.querySelectorAll("form[role=search] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

sayTimes(document);
beginTheme();
if (document.querySelector("nav")) {
  beginKeys();
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  const charts = document.querySelector("[data-chart]") ? await import("./charts.js") : undefined;
  await charts?.begin();
  listen(charts);
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && listen(charts));
}
