import { expect, test } from "vitest";
import { account } from "../../actors/account.ts";
import { counter } from "../../actors/counter.ts";
import { reactor } from "../../src/mod.ts";
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

test("a build is given up", async () => {
  const visitor = await demo();
  const { runtime } = visitor.served;
  const progress = async () => (await visitor.get("/console/projections/balances")).html;
  const to = "/console/projections/balances";
  const asked = await visitor.submit(await visitor.get(to), `${to}/rebuild`);
  const building = await visitor.submit(asked, `${to}/rebuild`);
  expect(building.html).toMatch(/<progress value="\d+" max="\d+"/);
  expect((await visitor.submit(building, `${to}/cancel`)).html).toContain("Build given up: balances");
  expect(runtime.projections.list()[0]?.build).toBeUndefined();
  expect(await progress()).not.toContain("<progress");
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
