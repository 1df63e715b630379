import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";
import { TOKEN, type Visitor } from "./support.ts";

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

/** The console of a visitor at a port of this machine. @returns Its origin. */
export function listen({ app }: Visitor, onEnd: (end: () => Promise<void>) => void): string {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => app.fetch(request),
  );
  onEnd(() => server.shutdown());
  return `http://127.0.0.1:${server.addr.port}`;
}

export async function signIn(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/console`);
  await page.getByLabel("Your name").fill("Ada");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

/** A page of a theme and size, that notes errors and requests to anywhere else. */
export async function openPage(
  browser: Browser,
  options: {
    origin: string;
    now: number;
    theme?: "light" | "dark";
    width?: number;
    /** Whether scripts run (true). */
    runsScripts?: boolean;
  },
): Promise<Watched> {
  const context = await browser.newContext({
    colorScheme: options.theme ?? "light",
    viewport: { width: options.width ?? 1_000, height: 900 },
    javaScriptEnabled: options.runsScripts ?? true,
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
const findFaults = (only: readonly string[] | undefined) =>
  `axe.run(document, { resultTypes: ["violations"], ${
    only ? `runOnly: ${JSON.stringify(only)}` : ""
  } }).then(({ violations }) =>
  violations.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 200) + " " + failureSummary)))`;

/**
 * Faults of accessibility that are serious or worse, one line each.
 *
 * @param only Rules; all of them if not given.
 */
export async function seriousFaults(page: Page, only?: readonly string[]): Promise<string[]> {
  // Through the debugger, which the page's own policy does not bind.
  await page.evaluate(axeSource);
  return await page.evaluate<string[]>(findFaults(only));
}
