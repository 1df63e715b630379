/** What keys do; the page lists them (`keys.tsx`). */

const main = document.querySelector("main");
let isGoing = false;

export function beginKeys() {
  const dialog = document.getElementById("keys");
  const button = document.getElementById("show-keys");
  button.hidden = false;
  button.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => pressed(event, dialog));
}

function pressed(event, dialog) {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const field = event.target.closest("input:not([type=range]), textarea, select");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  if (isGoing) {
    isGoing = false;
    document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const does = {
    "g": () => isGoing = true,
    "?": () => dialog.showModal(),
    "/": () => main.querySelector("form[role=search] :is(input, select)")?.focus(),
    "j": () => step(1),
    "k": () => step(-1),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}

/** To the first link of another row; before the first and behind the last there is none. */
function step(by) {
  const rows = [...main.querySelectorAll("tbody tr, .timeline > li")].filter((row) => row.querySelector("a"));
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[here < 0 ? (by > 0 ? 0 : rows.length - 1) : here + by];
  next?.querySelector("a").focus();
}
