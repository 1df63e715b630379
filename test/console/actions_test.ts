/** What can be done in the console, done in a browser: the tests follow each other on one page, as a visit would. */
import type { Browser, Page } from "playwright-core";
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { lacksChromium } from "../support/debian.ts";
import { listen, openBrowser, openPage, seriousFaults, signIn } from "./browser.ts";
import { demo } from "./demo.ts";
import { shared, TOKEN, type Visitor } from "./support.ts";

describe.skipIf(lacksChromium)("in a browser", () => {
  let browser: Browser;
  let visitor: Visitor;
  let origin: string;
  let page: Page;
  let offences: string[];

  const ready = shared(async (onEnd) => {
    browser = await openBrowser();
    onEnd(() => browser.close());
    visitor = await demo({ onEnd });
    origin = listen(visitor, onEnd);
    const watched = await openPage(browser, { origin, now: visitor.served.clock.now() });
    ({ page, offences } = watched);
    onEnd(() => page.context().close());
    await signIn(page, origin);
  });
  beforeAll(ready, 60_000);
  afterEach(() => expect(offences.splice(0)).toEqual([]));

  const go = (path: string) => page.goto(`${origin}/console${path}`);
  const press = (name: string) => page.getByRole("button", { name, exact: true }).click();
  /** Scripts of a page have run: of one that a click led to, the text may be there before them. */
  const listens = () => page.getByRole("button", { name: "Keys" }).waitFor();
  /** The page listens to what comes live: what came before that, it does not wait for. */
  const isLive = () => page.locator("#live:not(.off)", { hasText: "live" }).waitFor();
  const says = (text: string) => page.getByRole("status").getByText(text).waitFor();
  const warns = (text: string) => page.getByRole("alert").getByText(text).waitFor();
  /** The browser itself says so when a page is answered with a refusal. */
  const refused = (status: number) =>
    expect(offences.splice(0)).toEqual([expect.stringContaining(String(status))]);
  const acts = async () =>
    (await visitor.served.runtime.stream("console-audit", "console", { after: 0, limit: 1_000 })).events
      .map(({ payload }) => payload as { who: string; action: string; target: string; isDone: boolean });
  const isDone = async (action: string, target: string) =>
    expect(await acts()).toContainEqual({ who: "Ada", action, target, isDone: true });

  test("a theme is chosen at once, stays over pages without a flash, and the system's comes back", async () => {
    await go("/time");
    const theme = () => page.evaluate<string>("getComputedStyle(document.documentElement).colorScheme");
    const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const light = await ground();
    // Without a server: the choice is the browser's own.
    await page.context().setOffline(true);
    await press("Dark");
    expect(await theme()).toBe("dark");
    expect(await ground()).not.toBe(light);
    await page.context().setOffline(false);
    const next = await go("/activities");
    // It is in the document before any script or style is.
    expect(await next?.text()).toMatch(/^<!doctype html><html lang="en" data-theme="dark">/);
    expect(await page.getByRole("button", { name: "Dark" }).getAttribute("aria-pressed")).toBe("true");
    await press("As the system says");
    expect(await theme()).toBe("light dark");
    expect(await ground()).toBe(light);
  });

  test("charts are drawn in the colours of the theme that is chosen", async () => {
    await go("");
    await page.locator(".chart canvas").nth(5).waitFor();
    const drawn = () => page.evaluate<string>(`document.querySelector(".chart canvas").toDataURL()`);
    const light = await drawn();
    await press("Dark");
    await expect.poll(drawn).not.toBe(light);
    await press("As the system says");
    await expect.poll(drawn).toBe(light);
  });

  test("without scripts the theme is chosen too, and everything is done by forms", async () => {
    const plain = await openPage(browser, {
      origin,
      now: visitor.served.clock.now(),
      runsScripts: false,
    });
    onTestFinished(() => plain.page.context().close());
    await signIn(plain.page, origin);
    await plain.page.goto(`${origin}/console/actors/account/alice?version=2`);
    await plain.page.getByRole("button", { name: "Dark" }).click();
    await plain.page.locator('html[data-theme="dark"]').waitFor();
    expect(plain.page.url()).toBe(`${origin}/console/actors/account/alice?version=2`);
    await plain.page.getByRole("link", { name: "The next version" }).click();
    await plain.page.getByRole("heading", { name: "State at version 3" }).waitFor();
    expect(plain.offences).toEqual([]);
  });

  test("keys: ? lists them, g goes, / filters, j and k step through rows", async () => {
    await go("");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await page.getByRole("heading", { name: "Dead letters" }).waitFor();
    await listens();
    await page.keyboard.press("/");
    await page.keyboard.type("worker");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/dead-letters?type=worker**");
    await listens();
    const focused = () => page.evaluate<string>("document.activeElement.textContent");
    for (const [key, text] of [["j", "imports"], ["j", "exports"], ["k", "imports"]] as const) {
      await page.keyboard.press(key);
      expect(await focused()).toContain(text);
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(/error=Error/);
  });

  test("a slider leads through an actor's past, and two versions are compared", async () => {
    await go("/actors/account/alice");
    await page.getByRole("slider").focus();
    await page.keyboard.press("Home");
    await page.waitForURL("**version=1**");
    await page.getByRole("heading", { name: "State at version 1" }).waitFor();
    await listens();
    await page.getByRole("slider").focus();
    await page.keyboard.press("End");
    await page.getByRole("heading", { name: "State at version 5" }).waitFor();
    await page.getByLabel("Compare with").fill("2");
    await press("Show");
    await page.getByText("What changed since version 2").waitFor();
    expect(await page.locator(".diff").textContent()).toBe("- balance 500+ balance 775");
  });

  test("a command is sent by its form, with what does not fit said at its field", async () => {
    await go("/actors/account/alice");
    await page.getByText("deposit", { exact: true }).click();
    const amount = page.locator("details[open]").getByLabel("amount");
    await amount.fill("much");
    await press("Send deposit");
    await warns("does not fit");
    refused(422);
    expect(await amount.inputValue()).toBe("much");
    expect(await amount.getAttribute("aria-invalid")).toBe("true");
    await page.locator(".issue", { hasText: "expected number" }).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await amount.fill("10");
    await press("Send deposit");
    await says("deposit is done, version 6");
    expect((await visitor.served.runtime.state("account", "alice")).state).toMatchObject({ balance: 785 });
    await isDone("send-command", "deposit to account/alice");
  });

  test("what others do shows without a reload, alerts above the page too", async () => {
    const { runtime, clock } = visitor.served;
    await go("/actors/account/alice");
    await isLive();
    await runtime.send({ type: "account", key: "alice", command: "deposit", input: { amount: 15 } });
    await runtime.deadLetters.discard("work-3");
    await clock.advance(30_000);
    await page.getByRole("heading", { name: "State at version 7" }).waitFor();
    await page.getByText("2 messages for worker/work used up all attempts").waitFor();
    await page.getByRole("link", { name: "What to do" }).click();
    await page.getByRole("group", { name: "dead-letters" }).getByText("mend the cause").waitFor();
  });

  test("a dead letter is edited, checked against the schema, and redriven", async () => {
    await go("/dead-letters/work-1");
    const input = page.getByLabel("Input, as JSON");
    for (const [text, issue] of [["{ no", "JSON"], [`{"label": 5}`, "label: "]] as const) {
      await input.fill(text);
      await press("Redrive");
      await page.locator("#input-issues", { hasText: issue }).waitFor();
      refused(422);
      expect(await input.inputValue()).toBe(text);
    }
    await input.fill(`{"label": "fine"}`);
    await press("Redrive");
    await says("Redriven: message work-1");
    await isDone("edit-redrive", "message work-1 of worker/imports");
  });

  test("a dead letter is discarded, but not before the question is answered", async () => {
    await go("/dead-letters/work-2");
    await press("Discard…");
    await page.getByRole("heading", { name: "Are you sure?" }).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("heading", { name: "Dead letter" }).waitFor();
    expect((await visitor.served.runtime.deadLetters.get("work-2")).status).toBe("dead");
    await press("Discard…");
    await press("Discard");
    await says("Discarded: message work-2");
    await isDone("discard", "message work-2 of worker/exports");
  });

  test("a saga is started by its form, signalled and cancelled", async () => {
    const { runtime, clock } = visitor.served;
    await go("/sagas");
    await page.getByRole("link", { name: "follow-up…" }).click();
    await page.getByLabel("Id").fill("f-2");
    await page.getByLabel("email").fill("nobody");
    await press("Start follow-up");
    await page.locator(".issue", { hasText: "email" }).waitFor();
    refused(422);
    expect(await page.getByLabel("Id").inputValue()).toBe("f-2");
    await page.getByLabel("email").fill("eve@example.com");
    await press("Start follow-up");
    await says("Started: follow-up/f-2");
    await isDone("saga-start", "follow-up/f-2");

    await go("/sagas/follow-up/f-1");
    await page.getByText("signal replied").click();
    await page.getByLabel("text").fill("Thank you");
    await press("Send replied");
    await says("Sent: replied to follow-up/f-1");
    await clock.advance(1_000);
    expect(await runtime.sagas.status("follow-up", "f-1")).toMatchObject({ output: { text: "Thank you" } });

    await go("/sagas/follow-up/f-2");
    await press("Cancel…");
    await page.getByLabel("Why").fill("a test");
    await press("Cancel the saga");
    await says("Cancelled: follow-up/f-2");
    await clock.advance(1_000);
    expect((await runtime.sagas.status("follow-up", "f-2"))?.status).toBe("cancelled");
  });

  test("a projection is asked, checked and rebuilt", async () => {
    await go("/projections/balances/by-owner");
    await page.getByLabel("owner").fill("Alice");
    await press("Ask");
    await page.getByRole("cell", { name: "800" }).waitFor();
    await page.getByRole("link", { name: "The projection balances" }).click();
    await press("Check for drift");
    await says("2 rows compared");
    await page.getByLabel("From").fill("yesterday");
    await press("Rebuild…");
    await press("Rebuild");
    await warns("Cannot begin at");
    refused(400);
    await press("Rebuild…");
    await press("Rebuild");
    await says("Being rebuilt: balances");
    await isDone("rebuild", "balances");
  });

  test("a reactor tells what it would send, and sends again only after a question", async () => {
    const again = page.getByRole("link", { name: /^welcome~1\./ });
    await go("/projections");
    await page.getByRole("link", { name: "welcome" }).click();
    await press("Tell, and send nothing");
    await says("4 messages about 1 event; nothing was sent");
    // What is live on this page is not fetched from where a form was sent to.
    await isLive();
    const refreshed = page.waitForRequest("**/console/alerts");
    await visitor.served.clock.advance(10_000);
    await refreshed;
    await press("Send again…");
    await page.getByText("acts on them once more").waitFor();
    await press("Send again");
    await says("Sending again: welcome");
    await visitor.served.clock.advance(5_000);
    await go("/messages?type=onboarding");
    expect(await again.count()).toBe(4);
    await isDone("resend-reactor", "welcome");
  });

  test("a schedule is paused and resumed", async () => {
    const { schedules } = visitor.served.runtime;
    await go("/time");
    await press("Pause");
    await says("Paused: schedule nightly");
    expect((await schedules.get("nightly")).isPaused).toBe(true);
    await press("Resume");
    await says("Resumed: schedule nightly");
    expect((await schedules.get("nightly")).isPaused).toBe(false);
    await isDone("resume-schedule", "schedule nightly");
  });

  test("a webhook is registered, and its secret is shown this once", async () => {
    const { webhooks } = visitor.served.runtime;
    await go("/webhooks");
    await page.getByText("Register a webhook").click();
    await page.getByLabel("url").fill("no url");
    await press("Register");
    await page.locator(".issue", { hasText: "URL" }).waitFor();
    refused(422);
    await page.getByLabel("url").fill("https://shop.test/down");
    await page.getByLabel("eventTypes").fill("Opened\nClosed");
    await press("Register");
    const secret = await page.locator("#secret").textContent() ?? "";
    expect(secret).toMatch(/^whsec_.{43}=$/);
    expect(await seriousFaults(page)).toEqual([]);
    const registered = webhooks.list().find(({ settings }) => settings.url.endsWith("/down"));
    expect(registered?.settings.filters).toEqual({ eventTypes: ["Opened", "Closed"] });
    await page.getByRole("link", { name: "I have kept it" }).click();
    await page.getByRole("heading", { name: "Webhook", exact: true }).waitFor();
    expect(await page.content()).not.toContain(secret);
    await isDone("register-webhook", "https://shop.test/down");
  });

  test("a webhook is tried, paused, resumed, changed, given a new secret, and removed", async () => {
    const { webhooks } = visitor.served.runtime;
    const url = page.url().slice(origin.length + "/console".length);
    const id = url.split("/").at(-1) ?? "";
    await press("Send a test event");
    await says("Not delivered: 503 try again later");
    await press("Pause");
    await says("Paused: webhook");
    expect(webhooks.get(id).status).toBe("paused");
    await press("Resume");
    await says("Resumed: webhook");
    await page.getByText("Change", { exact: true }).first().click();
    expect(await page.getByLabel("eventTypes").inputValue()).toBe("Opened\nClosed");
    await page.getByLabel("eventTypes").fill("");
    await page.getByLabel("description").fill("The shop");
    await press("Change");
    await says("Changed: webhook");
    expect(webhooks.get(id).settings).toMatchObject({ description: "The shop", filters: {} });
    await press("New secret…");
    await press("Make a new secret");
    expect(await page.locator("#secret").textContent()).toMatch(/^whsec_/);
    await go(url);
    await press("Remove…");
    await press("Remove");
    await says("Removed: webhook");
    expect(webhooks.list().map((webhook) => webhook.id)).not.toContain(id);
    for (const does of ["test", "pause", "resume", "change", "remove"]) {
      await isDone(`${does}-webhook`, `webhook ${id}`);
    }
    await isDone("rotate-webhook-secret", `webhook ${id}`);
  });

  test("the audit lists what was done, by whom; secrets and tokens are in no event; signing out ends it", async () => {
    await go("/audit");
    await page.getByRole("row", { name: /Ada remove-webhook/ }).waitFor();
    const { events } = await visitor.served.runtime.readLog({ after: new Map(), limit: 1_000 });
    expect(JSON.stringify(events)).not.toMatch(new RegExp(`whsec_|${TOKEN}`));
    await press("Sign out");
    await page.getByLabel("Token").fill("another");
    await page.getByLabel("Your name").fill("Eve");
    await press("Sign in");
    await warns("That is not the token");
    refused(401);
  });

  // Would catch a page that goes on looking live, and what is typed in lost to a redirect.
  test("a page whose session is over says so, keeps what is typed in, and leads back to itself", async () => {
    await page.getByLabel("Your name").fill("Ada");
    await page.getByLabel("Token").fill(TOKEN);
    await press("Sign in");
    await go("/events?type=Deposited");
    await isLive();
    await page.getByLabel("Event type").fill("Withdr");
    await page.context().clearCookies();
    await visitor.served.clock.advance(10_000);
    await page.getByRole("alert").getByText("Your session is over").waitFor();
    expect(await page.getByLabel("Event type").inputValue()).toBe("Withdr");
    expect(await page.locator("#live").getAttribute("class")).toContain("off");
    await page.getByRole("link", { name: "Sign in again" }).click();
    await page.getByLabel("Your name").fill("Ada");
    await page.getByLabel("Token").fill(TOKEN);
    await press("Sign in");
    await page.getByRole("heading", { name: "Events" }).waitFor();
    expect(page.url()).toBe(`${origin}/console/events?type=Deposited`);
  });
});
