/** Two days of waiting, in no time. */
import { expect, test } from "vitest";
import modules from "../../actors/mod.ts";
import { useEnvironment } from "../actors/activity_runs.ts";
import { World } from "../support/world.ts";

const HOUR_MS = 3_600_000;

/**
 * Lets hours pass, to the very end of them: time stands still while what has begun then writes its file, which
 * takes real time.
 */
async function pass(world: World, hours: number): Promise<void> {
  await world.clock.advance(hours * HOUR_MS);
  await world.activities.idle();
  await world.clock.settle();
}

function mails(data: string): string[] {
  const files = Array.from(Deno.readDirSync(`${data}/mail`), ({ name }) => name).filter((name) =>
    name.endsWith(".eml")
  );
  const texts = files.map((name) => Deno.readTextFileSync(`${data}/mail/${name}`));
  return texts.map((text) => /^Subject: (.*?)\r?$/m.exec(text)?.[1] ?? "").sort();
}

async function begin() {
  const { data } = useEnvironment({ SMTP_URL: "" });
  const world = await World.start({ modules });
  await world.runtime.sagas.start("follow-up", "ann", { email: "ann@example.com" });
  await pass(world, 0);
  const status = async () => await world.runtime.sagas.status("follow-up", "ann");
  const reply = (text: string) => world.runtime.sagas.signal("follow-up", "ann", "replied", { text });
  return { world, data, status, reply };
}

for (const [how, restart] of [["", false], [", also over restarts", true]] as const) {
  test(`nobody replies for 48 hours${how}: one mail, one reminder, stale`, async () => {
    const { world, data, status } = await begin();
    expect(mails(data)).toEqual(["How are you getting on?"]);
    await pass(world, 12);
    if (restart) await world.restart();
    await pass(world, 11.5);
    expect(mails(data)).toHaveLength(1);
    await pass(world, 0.5);
    expect(mails(data)).toEqual(["A reminder", "How are you getting on?"]);
    if (restart) await world.crash();
    await pass(world, 23.5);
    expect((await status())?.status).toBe("running");
    await pass(world, 0.5);
    expect(await status()).toMatchObject({
      status: "completed",
      output: { outcome: "stale", mailsSent: 2 },
      steps: [
        { name: "send", status: "done" },
        { name: "replied", status: "done", isTimeout: true },
        { name: "remind", status: "done" },
        { name: "replied#2", status: "done", isTimeout: true },
      ],
    });
    await pass(world, 2);
    expect(mails(data)).toHaveLength(2);
  });
}

test("a reply within a day ends it, and nobody is reminded", async () => {
  const { world, data, status, reply } = await begin();
  await pass(world, 23);
  expect(await reply("fine")).toMatchObject({ ok: true });
  await pass(world, 0);
  expect(await status()).toMatchObject({ output: { outcome: "replied", mailsSent: 1, text: "fine" } });
  await pass(world, 2);
  expect(mails(data)).toHaveLength(1);
  expect(await reply("again")).toMatchObject({ ok: false, rejection: { code: "ended" } });
});

test("a reply to the reminder ends it", async () => {
  const { world, status, reply } = await begin();
  await pass(world, 24);
  await pass(world, 1);
  await reply("sorry");
  await pass(world, 0);
  expect(await status()).toMatchObject({ output: { outcome: "replied", mailsSent: 2, text: "sorry" } });
});

test("a process that was down when its time came goes on late, and not twice", async () => {
  const { world, data, status } = await begin();
  await world.runtime.stop();
  await world.clock.advance(72 * HOUR_MS);
  await world.restart();
  await pass(world, 0);
  expect(mails(data)).toEqual(["A reminder", "How are you getting on?"]);
  await pass(world, 24);
  expect(await status()).toMatchObject({ output: { outcome: "stale" } });
});
