/** @jsxImportSource hono/jsx */
import type { Context, Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { type ConsoleEnv, Csrf } from "./context.tsx";
import { ownPath } from "./session.ts";

const themes = ["light", "system", "dark"] as const;
export type Theme = (typeof themes)[number];

/** Also written by `console.js`, so that the choice needs no server. */
const COOKIE = "folio_console_theme";
const YEAR_S = 365 * 86_400;

/** The theme that was chosen in this browser: it is in the page from the first byte on, so nothing flashes. */
export function themeOf(c: Context): Theme {
  return themes.find((theme) => theme === getCookie(c, COOKIE)) ?? "system";
}

/** The way of the switch where no script runs. */
export function themeRoute(app: Hono<ConsoleEnv>): void {
  app.post("/theme", (c) => {
    const { theme, back = "" } = c.get("form");
    const chosen = themes.find((each) => each === theme) ?? "system";
    setCookie(c, COOKIE, chosen, { path: "/console", sameSite: "Strict", maxAge: YEAR_S });
    return c.redirect(ownPath(back), 303);
  });
}

const drawings: Readonly<Record<Theme, string>> = {
  light:
    "M8 4.7a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6zM8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9l1.1 1.1M12 12l1.1 1.1M2.9 13.1 4 12M12 4l1.1-1.1",
  system: "M1.5 2.5h13v8.5h-13zM5.5 14h5M8 11v3",
  dark: "M13.8 9.6A6.2 6.2 0 0 1 6.4 2.2a6.2 6.2 0 1 0 7.4 7.4z",
};

const names: Readonly<Record<Theme, string>> = {
  light: "Light",
  system: "As the system says",
  dark: "Dark",
};

export function ThemeSwitch({ theme, back }: { theme: Theme; back: string }) {
  return (
    <form method="post" action="/console/theme" class="theme" aria-label="Theme">
      <Csrf />
      <input type="hidden" name="back" value={back} />
      {themes.map((each) => (
        <button
          type="submit"
          name="theme"
          value={each}
          title={names[each]}
          aria-label={names[each]}
          aria-pressed={each === theme ? "true" : "false"}
        >
          <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
            <path d={drawings[each]} />
          </svg>
        </button>
      ))}
    </form>
  );
}
