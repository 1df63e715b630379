import { expect, test } from "vitest";
import modules from "../../actors/mod.ts";
import { createApp, createRuntime } from "../../src/mod.ts";

// Would catch a path, such as one beside a parameter, that keeps Hono from its fast router: for all requests.
test("all routes are found by one regular expression", async () => {
  await using runtime = await createRuntime({ modules, data: ":memory:" });
  const app = createApp(runtime, { shedsLoad: true });
  await app.request("http://localhost/health/live");
  expect(app.router.name).toBe("SmartRouter + RegExpRouter");
});

test("redriving by filter is the only thing to post to a dead letter's path", async () => {
  await using runtime = await createRuntime({ modules, data: ":memory:" });
  const app = createApp(runtime);
  const post = (path: string) => app.request(`http://localhost${path}`, { method: "POST" });
  expect((await post("/dead-letters/redrive")).status).toBe(200);
  const refused = await post("/dead-letters/other");
  expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, DELETE"]);
});
