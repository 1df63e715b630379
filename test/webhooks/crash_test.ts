/** What a process that dies at any moment leaves is delivered by the next one, each event under one id. */
import { expect, test } from "vitest";
import { defaultLimits } from "../../src/config.ts";
import { Relay } from "../../src/processors/relay.ts";
import { Webhooks } from "../../src/processors/webhooks.ts";
import { NewWebhook } from "../../src/core/webhook_api.ts";
import { World } from "../support/world.ts";
import { note } from "./support.ts";

interface Arrival {
  readonly id: string;
  readonly actor: string;
  readonly n: number;
}

/** A world whose processors are started again with each of its lives, and a receiver that outlives them. */
class Delivered {
  webhooks!: Webhooks;
  readonly arrivals: Arrival[] = [];

  private constructor(readonly world: World) {}

  static async start(shards: number): Promise<Delivered> {
    // deno-lint-ignore prefer-const -- the receiver is there before it is
    let delivered: Delivered;
    let made: Webhooks | undefined;
    const builtIn = () => {
      made = new Webhooks({
        limits: defaultLimits,
        allowPrivate: true,
        post: (_, { headers, body }) => {
          const { subject, data } = JSON.parse(body);
          delivered.arrivals.push({ id: headers["webhook-id"] ?? "", actor: subject, n: data.n });
          return Promise.resolve({ status: 204, body: "", retryAfter: undefined });
        },
      });
      return made.modules;
    };
    const world = await World.start({ modules: [note], shards, builtIn });
    delivered = new Delivered(world);
    await delivered.follow(made);
    delivered.next = () => delivered.follow(made);
    return delivered;
  }

  /** Starts the processors of the present life. */
  next: () => Promise<void> = () => Promise.resolve();

  async follow(webhooks: Webhooks | undefined): Promise<void> {
    if (!webhooks) throw new Error("No webhooks were made");
    this.webhooks = webhooks;
    await webhooks.start(this.world.runtime);
    new Relay(this.world.runtime).start();
  }

  async add(key: string, n: number): Promise<void> {
    await this.world.runtime.ask(note.ref(key).add({ n }));
  }

  /** That every event has arrived, in order for its actor but for repetitions, and always under the same id. */
  expectAll(key: string, last: number): void {
    const arrivals = this.arrivals.filter(({ actor }) => actor === `note/${key}`);
    const ids = new Map<number, string>();
    const firsts: number[] = [];
    for (const { n, id } of arrivals) {
      if (!ids.has(n)) firsts.push(n);
      else expect(id).toBe(ids.get(n));
      ids.set(n, id);
    }
    expect(firsts).toEqual(Array.from({ length: last }, (_, index) => index + 1));
    expect(new Set(ids.values()).size).toBe(last);
  }
}

const registration = () => NewWebhook.parse({ url: "https://receiver.test/" });

// Would catch an event between its reading and its sending that is lost, or asked for twice, and a webhook that
// starts later than it was registered.
test.each([1, 4])("a process that is killed at any moment, %i shards", async (shards) => {
  for (let moment = 0; moment < 12; moment++) {
    const delivered = await Delivered.start(shards);
    const { webhook } = await delivered.webhooks.register(registration());
    for (let n = 1; n <= 3; n++) {
      await delivered.add("a", n);
      await delivered.add("b", n);
    }
    for (let turn = 0; turn < moment * 5; turn++) await undefined;
    await delivered.world.crash();
    await delivered.next();
    expect(delivered.webhooks.get(webhook.id).status).toBe("active");
    await delivered.add("a", 4);
    await delivered.add("b", 4);
    await delivered.world.clock.advance("10m");
    delivered.expectAll("a", 4);
    delivered.expectAll("b", 4);
    expect(delivered.webhooks.get(webhook.id)).toMatchObject({ lagEvents: 0, pendingDeliveries: 0 });
  }
});

test.each(["before", "after"] as const)("a commit that fails %s it is written", async (fault) => {
  for (let commit = 1; commit <= 8; commit++) {
    const delivered = await Delivered.start(1);
    await delivered.webhooks.register(registration());
    await delivered.world.settle();
    delivered.world.engineOf("note/a").plan(
      ...Array.from({ length: commit - 1 }, () => "ok" as const),
      fault,
    );
    let added = 0;
    while (added < 3) {
      await delivered.add("a", added + 1).then(() => added++, () => delivered.world.clock.advance("10s"));
    }
    await delivered.world.clock.advance("10m");
    // What failed may have been recorded all the same, and then been added again.
    const events = (await delivered.world.events()).filter(({ type }) => type === "Added");
    expect(new Set(delivered.arrivals.map(({ id }) => id)).size).toBe(events.length);
    const order = [...new Map(delivered.arrivals.map(({ id, n }) => [id, n])).values()];
    expect(order).toEqual(events.map(({ payload }) => (payload as { n: number }).n));
  }
});

// Would catch secrets and checkpoints that stay for ever when a process dies while it removes a webhook.
test("what is left of a webhook whose removal was interrupted is forgotten at the next start", async () => {
  const delivered = await Delivered.start(4);
  const { webhook } = await delivered.webhooks.register(registration());
  await delivered.add("a", 1);
  await delivered.world.settle();
  const look = async (sql: string) =>
    (await Promise.all(delivered.world.databases.map((database) => database.look(sql)))).flat();
  expect(await look("SELECT webhook FROM webhook_secrets")).toHaveLength(1);
  // Its actor only: as far as a process has come that dies then.
  const removed = { type: "webhook", key: webhook.id, command: "remove", input: {} };
  await delivered.world.runtime.ask(removed);
  await delivered.world.crash();
  await delivered.next();
  expect(delivered.webhooks.list()).toEqual([]);
  expect(await look("SELECT webhook FROM webhook_secrets")).toEqual([]);
  expect(await look("SELECT * FROM checkpoints WHERE reactor LIKE 'webhook:%'")).toEqual([]);
});
