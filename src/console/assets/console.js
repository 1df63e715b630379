/** What the pages do beyond HTML: parts that stay up to date, keys, times as people say them. */

const main = document.querySelector("main");

function ago(at) {
  const seconds = Math.round((Date.now() - at) / 1000);
  const format = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
  for (const [unit, size] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return format.format(-Math.round(seconds / size), unit);
  }
  return format.format(-seconds, "second");
}

function sayTimes(within) {
  for (const time of within.querySelectorAll("time")) time.textContent = ago(Date.parse(time.dateTime));
}

/** Fetches this page again and takes over the parts that are live. What is being typed or pointed at stays. */
let isRefreshing = false;
async function refresh() {
  const parts = [...document.querySelectorAll("[data-live]")];
  if (isRefreshing || document.hidden || parts.length === 0) return;
  isRefreshing = true;
  try {
    const response = await fetch(location.href, { headers: { "x-folio-live": "1" } });
    if (!response.ok || response.redirected) return;
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
  }
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  if (event.key === "/") {
    const field = main.querySelector("form[role=search] input, form[role=search] select");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  } else if (keys.isGoing) {
    keys.isGoing = false;
    document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
  } else if (event.key === "g") {
    keys.isGoing = true;
  }
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

document.addEventListener("keydown", keys);
sayTimes(document);
if (document.querySelector("nav")) {
  const charts = document.querySelector("[data-chart]") ? await import("./charts.js") : undefined;
  await charts?.begin();
  const source = new EventSource("/console/live");
  source.addEventListener("sample", (event) => {
    charts?.add(JSON.parse(event.data));
    refresh();
  });
  addEventListener("pagehide", () => source.close());
}
