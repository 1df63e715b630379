import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { activity, actor, command, projection, query } from "../../src/mod.ts";
import { lacksChromium } from "../support/debian.ts";
import { listen, openBrowser, openPage, seriousFaults, signIn } from "./browser.ts";
import { demo } from "./demo.ts";
import { shared, TOKEN, visit } from "./support.ts";

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
  const { visitor, origin, now } = await seen();
  const watched = await openPage(browser, { origin, now });
  onEnd(() => watched.page.context().close());
  await signIn(watched.page, origin);
  // What signing in has recorded is seen by all that follows the log.
  await visitor.served.clock.advance(100);
  return watched;
});

/** An activity whose circuit opens, and a projection that stops: what both say of it is long. */
const pay = activity("pay", {
  ...{ input: z.object({ n: z.int() }), output: z.object({}), timeout: "5s" },
  circuitBreaker: { failuresMax: 2, halfOpenAfter: "10m" },
  rateLimit: { limit: 1_000, per: "1s" },
  run: () => Promise.reject(new Error("cannot reach pay.example.com: connection refused, for now")),
});
const asker = actor("asker", {
  initialState: () => ({ asked: 0 }),
  events: { Asked: z.object({ n: z.int() }) },
  evolve: { Asked: ({ asked }) => ({ asked: asked + 1 }) },
  commands: {
    ask: command(z.object({ n: z.int() }), (turn, { n }) => {
      turn.emit("Asked", { n });
      turn.perform(pay, { n }, {});
    }),
  },
});
const asked = projection("asked", {
  version: 1,
  from: [asker],
  tables: ["CREATE TABLE asked (n INTEGER PRIMARY KEY)"],
  on: {
    "asker/Asked": () => {
      throw new Error("cannot read this event, which is not as it should be in any way");
    },
  },
  queries: { all: query(z.object({}), z.object({ n: z.int() }), () => ["SELECT n FROM asked"]) },
});
const troubled = [pay, asker, asked];

/** Run in the page: cells that something in them reaches out of, and tables wider than there is room for. */
const outside = `[...document.querySelectorAll("td *")].filter((each) => {
  const cell = each.closest("td").getBoundingClientRect();
  const { left, right } = each.getBoundingClientRect();
  return left < cell.left - 1 || right > cell.right + 1;
}).map((each) => each.outerHTML).concat(
  [...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth + 1)
    .map((each) => each.getAttribute("aria-label") + " is " + each.scrollWidth + " px wide"))`;

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

// Would catch errors that lie over what is beside them, as those of rows that all is well with never do.
test.skipIf(lacksChromium)(
  "what has gone wrong is said within its own cell, and its table fits",
  async () => {
    const visitor = await visit({ modules: troubled });
    const origin = listen(visitor, onTestFinished);
    const { clock } = visitor.served;
    for (const n of [1, 2, 3]) {
      await visitor.served.post(`/actors/asker/a/ask`, { n }, { authorization: `Bearer ${TOKEN}` });
    }
    await clock.advance(20_000);
    const { page, offences } = await openPage(browser, { origin, now: clock.now() });
    onTestFinished(() => page.context().close());
    await signIn(page, origin);
    for (const [path, says] of [["activities", "cannot reach pay"], ["projections", "cannot read this"]]) {
      await page.goto(`${origin}/console/${path}`);
      for (const width of [1_000, 390]) {
        await page.setViewportSize({ width, height: 900 });
        const error = page.getByRole("main").locator("td").getByText(says ?? "").first();
        await error.waitFor();
        expect(await page.evaluate<string[]>(outside), `${path} at ${width} px`).toEqual([]);
        expect(await seriousFaults(page)).toEqual([]);
        if (screenshots) await page.screenshot({ path: `${screenshots}/trouble-${path}-${width}.png` });
      }
    }
    expect(offences).toEqual([]);
  },
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
