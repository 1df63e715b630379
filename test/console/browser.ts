import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

const require = createRequire(import.meta.url);

/** What a page did that it should not have. */
export interface Watched {
  readonly page: Page;
  readonly offences: string[];
}

/**
 * Chromium, as Debian has it.
 *
 * @throws {Error} When it is not there: Debian's package `chromium` has it.
 */
export async function openBrowser(): Promise<Browser> {
  try {
    return await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  } catch (cause) {
    throw new Error("Cannot run Chromium: install Debian's package chromium", { cause });
  }
}

/** A page of a theme and size, that notes errors and requests to anywhere else. */
export async function openPage(
  browser: Browser,
  options: { origin: string; theme: "light" | "dark"; width: number; now: number },
): Promise<Watched> {
  const context = await browser.newContext({
    colorScheme: options.theme,
    viewport: { width: options.width, height: 900 },
    locale: "en-GB",
    timezoneId: "UTC",
  });
  const page = await context.newPage();
  await page.clock.setFixedTime(options.now);
  const offences: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) offences.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => offences.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${options.origin}/console`)) offences.push(`request: ${request.url()}`);
  });
  return { page, offences };
}

const axeSource = await Deno.readTextFile(require.resolve("axe-core/axe.min.js"));

/** Run in the page, where axe-core has been loaded. */
const findFaults = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 200) + " " + failureSummary)))`;

/** Faults of accessibility that are serious or worse, one line each. */
export async function seriousFaults(page: Page): Promise<string[]> {
  // Through the debugger, which the page's own policy does not bind.
  await page.evaluate(axeSource);
  return await page.evaluate<string[]>(findFaults);
}
