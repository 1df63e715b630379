import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import type { Hono } from "hono";
import { etag } from "hono/etag";
import type { ConsoleEnv } from "./context.tsx";

const require = createRequire(import.meta.url);

/** All that the browser loads beside the pages, each from a file of this project or of a package. */
const assets: Readonly<Record<string, readonly [type: string, file: () => URL | string]>> = {
  "base.css": ["text/css", () => new URL("./assets/base.css", import.meta.url)],
  "forms.css": ["text/css", () => new URL("./assets/forms.css", import.meta.url)],
  "parts.css": ["text/css", () => new URL("./assets/parts.css", import.meta.url)],
  "records.css": ["text/css", () => new URL("./assets/records.css", import.meta.url)],
  "narrow.css": ["text/css", () => new URL("./assets/narrow.css", import.meta.url)],
  "console.js": ["text/javascript", () => new URL("./assets/console.js", import.meta.url)],
  "keys.js": ["text/javascript", () => new URL("./assets/keys.js", import.meta.url)],
  "theme.js": ["text/javascript", () => new URL("./assets/theme.js", import.meta.url)],
  "charts.js": ["text/javascript", () => new URL("./assets/charts.js", import.meta.url)],
  "icon.svg": ["image/svg+xml", () => new URL("./assets/icon.svg", import.meta.url)],
  "uplot.js": ["text/javascript", () => require.resolve("uplot/dist/uPlot.esm.js")],
  "uplot.css": ["text/css", () => require.resolve("uplot/dist/uPlot.min.css")],
};

/** Scripts and styles: served to everybody, as the sign-in form needs them. */
export function assetRoutes(app: Hono<ConsoleEnv>): void {
  // Asked for with each page, and sent only where it has changed.
  app.use("/assets/*", etag());
  const read = new Map<string, Uint8Array<ArrayBuffer>>();
  app.get("/assets/:name", async (c) => {
    const name = c.req.param("name");
    const asset = Object.hasOwn(assets, name) ? assets[name] : undefined;
    if (!asset) return c.notFound();
    const [type, file] = asset;
    const bytes = read.get(name) ?? new Uint8Array(await readFile(file()));
    read.set(name, bytes);
    c.header("content-type", `${type}; charset=utf-8`);
    c.header("cache-control", "no-cache");
    return c.body(bytes);
  });
}
