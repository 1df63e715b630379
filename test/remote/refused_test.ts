/** The same as `test/runtime/refused_commit_test.ts` on real files and a real connection, with SQLite itself refusing. */
import { expect, onTestFinished, test } from "vitest";
import { createRuntime } from "../../src/create_runtime.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { temporaryFolder } from "../store/databases.ts";
import { HranaServer } from "../support/hrana/server.ts";
import { allTables, closedTo, distil, vault } from "../support/poison.ts";
import { codeOf } from "../support/world.ts";
import { fastClock, until } from "./support.ts";

async function onServer(folder: string): Promise<{ data: string; file: string }> {
  const server = await HranaServer.start({ folder });
  onTestFinished(() => server.stop());
  return { data: server.url, file: `${folder}/default.db` };
}

test.each([
  {
    where: "in a folder",
    open: (folder: string) => Promise.resolve({ data: folder, file: `${folder}/shard-0.db` }),
  },
  { where: "on a server", open: onServer },
])(
  "$where, poison becomes a dead letter or an answer, and nothing else is lost or late",
  async ({ open }) => {
    const { data, file } = await open(temporaryFolder());
    const start = () =>
      createRuntime({
        modules: [vault, distil],
        data,
        shards: 1,
        clock: fastClock(),
        // A minute of ours: who waits is not to be answered 202 because this machine is slow.
        limits: { storeAnswerMsMax: 200_000, requestWaitMsMax: 3_000_000 },
      });
    await (await start())[Symbol.asyncDispose]();
    const database = openLibsqlDatabase({ url: `file:${file}` });
    for (const sql of closedTo(...allTables)) await database.execute({ sql });
    await database.close();

    const runtime = await start();
    onTestFinished(() => runtime[Symbol.asyncDispose]());
    const sent = [];
    const poisons = ["p1", "p2", "p3"];
    for (let n = 1; n <= 20; n++) {
      sent.push(runtime.send(vault.ref(`k${n % 4}`).note({ n }), { messageId: `m${n}` }));
      if (n % 7 === 0) {
        sent.push(
          runtime.send(vault.ref(`k${n % 4}`).note({ n: 99, isPoison: true }), { messageId: `p${n / 7}` }),
        );
      }
    }
    sent.push(runtime.send(vault.ref("k1").distil({ isPoison: true }), { messageId: "p3" }));
    const asked = codeOf(runtime.ask(vault.ref("asked").note({ n: 1, isPoison: true })));
    await Promise.all(sent);
    expect(await asked).toBe("store-refused");
    const dead = async () => {
      const page = await runtime.deadLetters.list({}, { limit: 10 });
      return page.deadLetters.map(({ id, attempts }) => ({ id, attempts }));
    };
    await until(async () => (await dead()).length === 3, "three dead letters");
    for (const { id, attempts } of await dead()) {
      expect(attempts).toBe(3);
      if (!poisons.includes(id)) expect(id).not.toMatch(/^m\d/); // the activity's own
    }
    await until(
      async () => ((await runtime.state("vault", "k3")).state as { notes: number[] }).notes.length === 5,
      "the last notes",
    );
    for (
      const [key, notes] of [["k0", [4, 8, 12, 16, 20]], ["k1", [1, 5, 9, 13, 17]], ["k3", [
        3,
        7,
        11,
        15,
        19,
      ]]]
    ) {
      expect((await runtime.state("vault", String(key))).state).toMatchObject({ notes });
    }
    await until(
      async () => ((await runtime.state("vault", "k1")).state as { told: string[] }).told.length === 1,
      "who asked for the activity is told",
    );
  },
);
