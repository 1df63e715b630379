/** Errors that nothing catches, in the code of modules: what they may end, and what they may not. */
import { expect, test } from "vitest";
import { start, temporaryFolder } from "./support.ts";

const careless = `
import { activity, actor, command } from "folio";
import { z } from "zod";

const stray = activity("stray", {
  input: z.object({ how: z.enum(["now", "later", "throw"]) }),
  output: z.object({}),
  run: (input) => {
    if (input.how === "now") Promise.reject(new Error("left behind"));
    if (input.how === "later") setTimeout(() => Promise.reject(new Error("left later")));
    if (input.how === "throw") setTimeout(() => { throw new Error("thrown at nobody"); });
    return input.how === "throw" ? new Promise(() => {}) : Promise.resolve({});
  },
});

export default [
  stray,
  actor("tenant", {
    initialState: () => ({ asked: 0 }),
    events: { Asked: z.object({}) },
    evolve: { Asked: (state) => ({ asked: state.asked + 1 }) },
    commands: {
      ask: command(stray.input, (turn, input) => {
        turn.emit("Asked", {});
        return { id: turn.perform(stray, input) };
      }),
      count: command(z.object({}), (turn) => {
        turn.emit("Asked", {});
        return turn.state;
      }),
    },
  }),
];
`;

function carelessModules(): string {
  const path = `${temporaryFolder()}/mod.ts`;
  Deno.writeTextFileSync(path, careless);
  return path;
}

// Would catch one tenant's careless library ending the server of all.
test.each(["now", "later"])(
  "a promise that an activity leaves rejected (%s) is logged and counted, and all goes on",
  async (how) => {
    const server = await start({ FOLIO_DATA: temporaryFolder(), FOLIO_MODULES: carelessModules() });
    const { reply } = await (await server.post("/actors/tenant/a/ask", { how })).json();
    expect(await server.logged("A promise was rejected, and nothing awaits it")).toMatchObject({
      level: "error",
      actor: "activity:stray/-",
      messageId: reply.id,
      error: expect.stringMatching(/^Error: left /),
      stack: expect.stringContaining("mod.ts"),
    });
    expect((await server.post("/actors/tenant/b/count")).status).toBe(200);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('folio_stray_rejections_total{activity="stray"} 1');
    expect(await server.stop()).toEqual({ code: 0, stderr: "" });
  },
);

test("an exception that nothing catches ends the process with a line that says so, and loses nothing", async () => {
  const env = { FOLIO_DATA: temporaryFolder(), FOLIO_MODULES: carelessModules() };
  const first = await start(env);
  for (let n = 0; n < 20; n++) expect((await first.post("/actors/tenant/a/count")).status).toBe(200);
  const asked = await first.post("/actors/tenant/b/ask", { how: "throw" });
  expect(asked.status).toBe(200);
  expect(await first.logged("Uncaught exception: this process ends")).toMatchObject({
    level: "error",
    error: "Error: thrown at nobody",
    stack: expect.stringContaining("mod.ts"),
  });
  expect(await first.outcome()).toEqual({ code: 1, stderr: "" });

  const harmless = `${temporaryFolder()}/mod.ts`;
  Deno.writeTextFileSync(harmless, careless.replace("throw new Error", "new Error"));
  const second = await start({ ...env, FOLIO_MODULES: harmless });
  expect(await second.json("/actors/tenant/a")).toMatchObject({ state: { asked: 20 }, version: 20 });
  expect(await second.json("/actors/tenant/b")).toMatchObject({ state: { asked: 1 } });
});
