import { expect, test } from "vitest";
import { account } from "../../actors/account.ts";
import { counter } from "../../actors/counter.ts";
import { projection, reactor } from "../../src/mod.ts";
import { demo } from "./demo.ts";
import { formsOf, visit } from "./support.ts";

test("a projection answers queries, and is rebuilt after a question", async () => {
  const visitor = await demo();
  const rows = await visitor.get("/console/projections/balances/by-owner?owner=Alice");
  expect(rows.html).toContain("775");
  expect((await visitor.get("/console/projections/balances/top?limit=x")).status).toBe(422);
  const to = "/console/projections/balances/rebuild";
  const asked = await visitor.submit(await visitor.get("/console/projections/balances"), to);
  expect(asked.html).toContain("Rebuild balances from the whole log?");
  expect((await visitor.submit(asked, to)).html).toContain("Being rebuilt: balances");
});

test("a build shows how far it is and where it stands still, and is given up", async () => {
  let isBroken = false;
  const openings = projection("openings", {
    version: 1,
    from: [account],
    tables: ["CREATE TABLE openings (account TEXT PRIMARY KEY)"],
    on: {
      // So that the build is there for as long as the test looks at it.
      "account/Opened": (write, event) => {
        if (isBroken && event.key === "b") throw new Error("broken, as planned");
        write("INSERT INTO openings VALUES (?1)", [event.key]);
      },
    },
    queries: {},
  });
  const visitor = await visit({ modules: [openings] });
  const { runtime, clock } = visitor.served;
  for (const key of ["a", "b", "c"]) {
    await runtime.ask({ type: "account", key, command: "open", input: { owner: "Ann" } });
  }
  await clock.advance(1_000);
  isBroken = true;
  const to = "/console/projections/openings";
  const asked = await visitor.submit(await visitor.get(to), `${to}/rebuild`);
  await visitor.submit(asked, `${to}/rebuild`);
  await clock.advance(1_000);
  const building = await visitor.get(to);
  expect(building.html).toMatch(/<progress value="\d+" max="\d+"/);
  expect(building.html).toContain("broken, as planned");
  expect((await visitor.submit(building, `${to}/cancel`)).html).toContain("Build given up: openings");
  const status = () => runtime.projections.list().find(({ name }) => name === "openings");
  expect(status()?.build).toBeUndefined();
  expect((await visitor.get(to)).html).not.toContain("<progress");
});

test("a reactor that stands still is what is most behind on the overview", async () => {
  const clerk = reactor("clerk", {
    from: [account],
    on: {
      "account/Opened": () => {
        throw new Error("broken, as planned");
      },
    },
  });
  const visitor = await visit({ modules: [clerk] });
  const { served } = visitor;
  await served.runtime.send({ type: "account", key: "a", command: "open", input: { owner: "A" } });
  await served.clock.advance(1_000);
  expect(Math.max(...served.runtime.projections.list().map(({ lagEvents }) => lagEvents))).toBe(0);
  expect((await visitor.get("/console")).html).toMatch(/Most behind<\/span><strong>1 event</);
});

test("sending again that stands still says why, and is stopped", async () => {
  let isBroken = false;
  const clerk = reactor("clerk", {
    from: [account],
    on: {
      "account/Opened": (react) => {
        if (isBroken) throw new Error("broken, as planned");
        react.send(counter.ref("opened").increment({ by: 1 }));
      },
    },
  });
  const visitor = await visit({ modules: [clerk] });
  const { runtime, clock } = visitor.served;
  await runtime.ask(account.ref("a").open({ owner: "A" }));
  await clock.advance(1_000);
  const to = "/console/reactors/clerk";
  const page = await visitor.get(to);
  const { csrf = "" } = formsOf(page.html)[0]?.fields ?? {};
  const question = await visitor.post(`${to}/resend`, { csrf, from: "0.0" });
  expect(question.html).toContain("since 0.0?");
  isBroken = true;
  await visitor.submit(question, `${to}/resend`);
  await clock.advance(1_000);
  const sending = await visitor.get(to);
  expect(sending.html).toMatch(/\d+ events? (is|are) left/);
  expect(sending.html).toContain("broken, as planned");
  expect((await visitor.submit(sending, `${to}/stop`)).html).toContain("Stopped; what was sent was sent");
  await clock.advance(1_000);
  expect(runtime.reactors.list().find(({ name }) => name === "clerk")?.replay).toBeUndefined();
  const refused = await visitor.post(`${to}/rehearse`, { csrf, from: "tomorrow" });
  expect(refused.status).toBe(400);
  expect(refused.html).toContain('value="tomorrow"');
});
