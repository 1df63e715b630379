/** The theme switch without a request: the choice is kept in the cookie that pages are made with. */

const COOKIE = "folio_console_theme";
const YEAR_S = 365 * 86_400;

export function beginTheme() {
  for (const button of document.querySelectorAll(".theme button")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      const secure = location.protocol === "https:" ? "; secure" : "";
      document.cookie =
        `${COOKIE}=${button.value}; path=/console; max-age=${YEAR_S}; samesite=strict${secure}`;
      show(button.value);
    });
  }
  // A page that comes back from the browser's memory was made before the choice.
  addEventListener("pageshow", (event) => {
    const chosen = new RegExp(`${COOKIE}=(\\w+)`).exec(document.cookie)?.[1];
    if (event.persisted && chosen) show(chosen);
  });
}

function show(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const button of document.querySelectorAll(".theme button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  document.dispatchEvent(new Event("themechange"));
}
