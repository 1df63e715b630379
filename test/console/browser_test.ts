import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { lacksChromium } from "../support/debian.ts";
import { listen, openBrowser, openPage, seriousFaults, signIn } from "./browser.ts";
import { demo } from "./demo.ts";
import { shared } from "./support.ts";

let browser: Browser;
beforeAll(async () => {
  if (!lacksChromium) browser = await openBrowser();
}, 60_000);
afterAll(() => browser?.close());

/** All rules once; then those that a theme or a width changes. */
const rules: Readonly<Record<string, readonly string[]>> = {
  "dark 1000": ["color-contrast"],
  "light 390": ["scrollable-region-focusable"],
  "dark 390": ["color-contrast"],
};

/** Where screenshots go, if they are wanted: the folder that `FOLIO_SCREENSHOTS` names. */
const screenshots = Deno.env.get("FOLIO_SCREENSHOTS");

/** All tests here only look. */
const seen = shared(async (onEnd) => {
  const visitor = await demo({ onEnd });
  return { visitor, origin: listen(visitor, onEnd), now: visitor.served.clock.now() };
});

const visitedBy = shared(async (onEnd) => {
  const { origin, now } = await seen();
  const watched = await openPage(browser, { origin, now });
  onEnd(() => watched.page.context().close());
  await signIn(watched.page, origin);
  return watched;
});

const pages = [
  ["sign-in", "/console/sign-in"],
  ["overview", "/console"],
  ["alerts", "/console/alerts"],
  ["dead-letters", "/console/dead-letters"],
  ["dead-letter", "/console/dead-letters/work-1"],
  ["actors", "/console/actors?type=account"],
  ["actor", "/console/actors/account/alice?version=3"],
  ["messages", "/console/messages"],
  ["message", "/console/messages/sign-up-1"],
  ["events", "/console/events?type=Deposited"],
  ["sagas", "/console/sagas"],
  ["saga", "/console/sagas/booking/b-2"],
  ["saga-running", "/console/sagas/follow-up/f-1"],
  ["saga-start", "/console/sagas/booking"],
  ["projections", "/console/projections"],
  ["projection", "/console/projections/balances"],
  ["query", "/console/projections/balances/all"],
  ["reactor", "/console/reactors/welcome"],
  ["time", "/console/time"],
  ["activities", "/console/activities"],
  ["webhooks", "/console/webhooks#register"],
  ["webhook", "/console/webhooks/:id"],
  ["audit", "/console/audit"],
  ["not-found", "/console/nowhere"],
] as const;

test.skipIf(lacksChromium).each(pages)(
  "%s in both themes and two widths: no error, nothing from elsewhere, no serious fault of accessibility",
  async (name, path) => {
    const { visitor, origin } = await seen();
    const { page, offences } = await visitedBy();
    const [webhook] = visitor.served.runtime.webhooks.list();
    await page.goto(origin + path.replace(":id", webhook?.id ?? ""));
    if (name === "overview") await page.locator(".chart canvas").nth(5).waitFor();
    if (name === "webhooks") await page.getByText("Register a webhook").click();
    if (name === "saga-running") await page.getByText("signal replied").click();
    for (const width of [1_000, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const faults = await seriousFaults(page, rules[`${colorScheme} ${width}`]);
        expect(faults, `${colorScheme} at ${width} px`).toEqual([]);
        if (screenshots) {
          await page.screenshot({ path: `${screenshots}/${name}-${colorScheme}-${width}.png` });
        }
      }
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      expect(overflow, `wider than ${width} px`).toBeLessThanOrEqual(0);
    }
    // The browser itself says that a page was answered with 404.
    expect(offences.splice(0)).toEqual(name === "not-found" ? [expect.stringContaining("404")] : []);
  },
  60_000,
);

// Would catch checks that look at nothing, and so find nothing.
test.skipIf(lacksChromium)("the checks see a fault, an error and a request to elsewhere", async () => {
  const { origin, now } = await seen();
  const { page, offences } = await openPage(browser, { origin, now });
  onTestFinished(() => page.context().close());
  await page.goto(`${origin}/console/sign-in`);
  await page.evaluate(`document.querySelector("main").append(document.createElement("button"))`);
  expect(await seriousFaults(page)).toEqual([expect.stringContaining("button-name")]);
  const pale =
    `const p = document.createElement("p"); p.textContent = "pale"; p.style.color = "#eee"; main.append(p)`;
  await page.evaluate(pale);
  expect(await seriousFaults(page, ["color-contrast"])).toEqual([expect.stringContaining("color-contrast")]);
  const asked = page.waitForRequest(`${origin}/elsewhere`);
  await page.evaluate(`fetch("${origin}/elsewhere").catch(() => {})`);
  await asked;
  const refused = page.waitForEvent("console", (message) => message.text().includes("localhost:1"));
  await page.evaluate(`fetch("http://localhost:1/").catch(() => {})`);
  await refused;
  expect(offences).toContain(`request: ${origin}/elsewhere`);
  expect(offences).toContainEqual(expect.stringContaining("Content Security Policy"));
});
