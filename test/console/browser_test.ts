import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { lacksChromium } from "../support/debian.ts";
import { openBrowser, openPage, seriousFaults } from "./browser.ts";
import { demo } from "./demo.ts";
import { TOKEN, visit, type Visitor } from "./support.ts";

let browser: Browser;
beforeAll(async () => {
  if (!lacksChromium) browser = await openBrowser();
});
afterAll(() => browser?.close());

/** Where screenshots go, if they are wanted: the folder that `FOLIO_SCREENSHOTS` names. */
const screenshots = Deno.env.get("FOLIO_SCREENSHOTS");

const pages = [
  ["overview", "/console"],
  ["dead-letters", "/console/dead-letters"],
  ["dead-letter", "/console/dead-letters/work-1"],
  ["actors", "/console/actors?type=account"],
  ["actor", "/console/actors/account/alice?version=3"],
  ["messages", "/console/messages"],
  ["message", "/console/messages/sign-up-1"],
  ["sagas", "/console/sagas"],
  ["saga", "/console/sagas/booking/b-2"],
  ["projections", "/console/projections"],
  ["query", "/console/projections/balances/all"],
  ["time", "/console/time"],
  ["activities", "/console/activities"],
  ["webhooks", "/console/webhooks"],
  ["audit", "/console/audit"],
] as const;

/** The console of a visitor at a port of this machine. */
function listen({ app }: Visitor): string {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => app.fetch(request),
  );
  onTestFinished(() => server.shutdown());
  return `http://127.0.0.1:${server.addr.port}`;
}

async function signIn(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/console`);
  await page.getByLabel("Your name").fill("Ada");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

test.skipIf(lacksChromium).each([["light", 1_000], ["dark", 1_000], ["light", 390], ["dark", 390]] as const)(
  "every page in %s at %d px: no error, nothing from elsewhere, no serious fault of accessibility",
  async (theme, width) => {
    const visitor = await demo();
    const origin = listen(visitor);
    const { page, offences } = await openPage(browser, {
      origin,
      theme,
      width,
      now: visitor.served.clock.now(),
    });
    onTestFinished(() => page.context().close());
    await page.goto(`${origin}/console`);
    expect(await seriousFaults(page), "sign-in").toEqual([]);
    await signIn(page, origin);
    for (const [name, path] of pages) {
      const response = await page.goto(`${origin}${path}`);
      expect(response?.status(), path).toBe(200);
      if (name === "overview") await page.locator(".chart canvas").nth(5).waitFor();
      expect(await seriousFaults(page), path).toEqual([]);
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      expect(overflow, `${path} is wider than the window`).toBeLessThanOrEqual(0);
      if (screenshots) await page.screenshot({ path: `${screenshots}/${name}-${theme}-${width}.png` });
    }
    expect(offences).toEqual([]);
  },
  120_000,
);

// Would catch checks that look at nothing, and so find nothing.
test.skipIf(lacksChromium)("the checks see a fault, an error and a request to elsewhere", async () => {
  const visitor = await visit({ signsIn: false });
  const origin = listen(visitor);
  const now = visitor.served.clock.now();
  const { page, offences } = await openPage(browser, { origin, theme: "light", width: 1_000, now });
  onTestFinished(() => page.context().close());
  await page.goto(`${origin}/console/sign-in`);
  await page.evaluate(`document.querySelector("main").append(document.createElement("button"))`);
  expect(await seriousFaults(page)).toEqual([expect.stringContaining("button-name")]);
  const asked = page.waitForRequest(`${origin}/elsewhere`);
  await page.evaluate(`fetch("${origin}/elsewhere").catch(() => {})`);
  await asked;
  const refused = page.waitForEvent("console", (message) => message.text().includes("localhost:1"));
  await page.evaluate(`fetch("http://localhost:1/").catch(() => {})`);
  await refused;
  expect(offences).toContain(`request: ${origin}/elsewhere`);
  expect(offences).toContainEqual(expect.stringContaining("Content Security Policy"));
});

test.skipIf(lacksChromium)("what the pages do, with the keyboard and the mouse", async () => {
  const visitor = await demo();
  const origin = listen(visitor);
  const { runtime, clock, faults } = visitor.served;
  const { page, offences } = await openPage(browser, {
    origin,
    theme: "light",
    width: 1_000,
    now: clock.now(),
  });
  onTestFinished(() => page.context().close());
  await signIn(page, origin);

  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.getByRole("heading", { name: "Dead letters" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("worker");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/dead-letters?type=worker**");

  await page.getByRole("link", { name: "work-1", exact: true }).click();
  await page.getByLabel("Input, as JSON").fill(`{"label": 5}`);
  await page.getByRole("button", { name: "Redrive" }).click();
  expect(await page.getByRole("alert").textContent()).toContain("label");
  // The browser says that a page was answered with 422.
  expect(offences.splice(0)).toEqual([expect.stringContaining("422")]);
  await page.getByLabel("Input, as JSON").fill(`{"label": "fine"}`);
  await page.getByRole("button", { name: "Redrive" }).click();
  await page.getByText("Redriven: message work-1").waitFor();

  faults.failures.clear();
  await page.goto(`${origin}/console/dead-letters/work-2`);
  await page.getByRole("button", { name: "Discard…" }).click();
  await page.getByRole("button", { name: "Discard" }).click();
  await page.getByText("Discarded: message work-2").waitFor();

  await page.goto(`${origin}/console/actors/account/alice`);
  const slider = page.getByRole("slider");
  await slider.focus();
  await page.keyboard.press("Home");
  await page.waitForURL("**version=1**");
  await page.getByRole("heading", { name: "State at version 1" }).waitFor();
  await page.getByText("deposit", { exact: true }).click();
  await page.locator("details[open]").getByLabel("amount").fill("10");
  await page.getByRole("button", { name: "Send deposit" }).click();
  await page.getByText("deposit is done, version 6").waitFor();
  expect((await runtime.state("account", "alice")).state).toMatchObject({ balance: 785 });

  // Live: what others do shows without a reload.
  await runtime.send({ type: "account", key: "alice", command: "deposit", input: { amount: 15 } });
  await clock.advance(10_000);
  await page.getByRole("heading", { name: "State at version 7" }).waitFor();
  expect(offences).toEqual([]);
}, 60_000);
