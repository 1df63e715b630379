import { z } from "zod";
import { actor, command, saga, schedule } from "../../src/mod.ts";
import type { ServeOptions } from "../http/support.ts";
import { TOKEN, visit, type Visitor } from "./support.ts";

/** What a schedule is for. */
const cleaner = actor("cleaner", {
  initialState: () => ({ cleaned: 0 }),
  events: { Cleaned: z.object({}) },
  evolve: { Cleaned: ({ cleaned }) => ({ cleaned: cleaned + 1 }) },
  commands: { clean: command(z.object({}), (turn) => turn.emit("Cleaned", {})) },
});
const nightly = schedule(
  "nightly",
  { cron: "0 3 * * *", timeZone: "Europe/Berlin" },
  cleaner.ref("all").clean(),
);

/** Fails, and cannot take back what it did as long as `worker` fails at "undo". */
const fragile = saga("fragile", {
  input: z.object({ label: z.string() }),
  run: async (step, { label }) => {
    const work = (what: string) => ({ type: "worker", key: label, command: "work", input: { label: what } });
    await step.ask("prepare", work("prepare"), { undo: () => work("undo") });
    throw new Error("it cannot go on");
  },
});

/** A console with something of everything to see. */
export async function demo(options: Pick<ServeOptions, "onEnd"> = {}): Promise<Visitor> {
  const visitor = await visit({
    ...{ attemptsMax: 2, modules: [cleaner, nightly, fragile], ...options },
    webhooks: {
      allowPrivate: true,
      post: (url) =>
        Promise.resolve(
          url.pathname === "/down"
            ? { status: 503, body: "try again later", retryAfter: undefined }
            : { status: 204, body: "", retryAfter: undefined },
        ),
    },
  });
  const { served } = visitor;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    served.post(path, body, { authorization: `Bearer ${TOKEN}`, ...headers });
  await post("/webhooks", {
    ...{ url: "https://books.test/hook", description: "The books" },
    filters: { actorTypes: ["account"] },
  });
  await post("/actors/account/alice/open", { owner: "Alice" });
  for (const amount of [500, 250, 125]) await post("/actors/account/alice/deposit", { amount });
  await post("/actors/account/alice/withdraw", { amount: 100 });
  await post("/actors/account/bob/open", { owner: "Bob" });
  await post("/sagas/booking/b-1", { customer: "ada", seat: "7a", card: "card-good" });
  await post("/sagas/booking/b-2", { customer: "bob", seat: "7b", card: "card-declines" });
  await post("/sagas/follow-up/f-1", { email: "ada@example.com" });
  await post("/actors/user/ada/sign-up", { email: "ada@example.com", name: "Ada" }, {
    "idempotency-key": "sign-up-1",
  });
  for (const [index, label] of ["imports", "exports", "mails"].entries()) {
    served.faults.failures.set(label, 1_000);
    await post(`/actors/worker/${label}/work`, { label }, {
      "idempotency-key": `work-${index + 1}`,
      "prefer": "respond-async",
    });
  }
  await atRest(visitor);
  for (let round = 0; round < 24; round++) {
    const commands = 20 + Math.round(15 * Math.sin(round / 3));
    for (let n = 0; n < commands; n++) await post(`/actors/counter/c-${n % 5}/increment`, { by: 1 });
    await served.clock.advance(10_000);
  }
  return visitor;
}

/** Lets what takes real time come to its end: mails are files. */
async function atRest({ served: { runtime, clock } }: Visitor): Promise<void> {
  const isBusy = () => runtime.shards.some((shard) => [...shard.queues()].some(([, { depth }]) => depth > 0));
  do await clock.advance(1_000); while (isBusy());
}
