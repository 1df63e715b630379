/**
 * Keeps a real server under load for minutes: memory and descriptors stay flat, ten thousand idle readers cost
 * little, one that does not read is dropped, and three times too much work is refused in time.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { defaultLimits } from "../src/config.ts";
import { ACCEPTED_P99_MS_MAX, runOverload } from "./soak/overload.ts";
import { AT_ONCE, runReaders, runSlowReader } from "./soak/readers.ts";
import { SoakServer } from "./soak/server.ts";
import { growthOf, runSteady } from "./soak/steady.ts";
import { endChildren } from "./support/child.ts";

const usage = `Usage: deno task soak [--minutes 3] [--readers 10000] [--shards 1]

  --minutes   of steady load; the other parts take about two more
  --readers   live streams that stand idle; twice as many file descriptors must be allowed (ulimit -n)

Ends with 0 when all is as promised, and with 1 otherwise.`;

const megabytes = (bytes: number) => `${Math.round(bytes / 1_048_576)} MB`;

async function main(): Promise<string[]> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "3" },
      readers: { type: "string", default: "10000" },
      shards: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return [];
  }
  const wrong: string[] = [];
  const expect = (isSo: boolean, otherwise: string) => void (isSo || wrong.push(otherwise));
  await using server = await SoakServer.start({ FOLIO_SHARDS: values.shards });

  const steady = await runSteady(server, { seconds: Number(values.minutes) * 60 });
  console.log(
    `steady    ${steady.requests} requests; memory ${megabytes(steady.rssBytes.early)}, later ` +
      `${
        megabytes(steady.rssBytes.late)
      }; descriptors ${steady.descriptors.early}, later ${steady.descriptors.late}`,
  );
  wrong.push(...growthOf(steady));

  const readers = await runReaders(server, Number(values.readers));
  console.log(
    `readers   ${readers.opened} idle, ${Math.round(readers.bytesEach)} bytes each; a command took ` +
      `${
        readers.commandMs.toFixed(1)
      } ms; descriptors ${readers.descriptors.before}, afterwards ${readers.descriptors.after}`,
  );
  expect(readers.bytesEach < 100_000, `an idle reader takes ${readers.bytesEach} bytes`);
  expect(readers.told === 20, `only ${readers.told} of 20 readers were told`);
  expect(
    readers.descriptors.after <= readers.descriptors.before + AT_ONCE,
    "descriptors of readers that have gone are left",
  );

  const slow = await runSlowReader(server, {
    megabytes: 100,
    waitMs: defaultLimits.readerStallMsMax + 5_000,
  });
  console.log(
    `slow      one that reads nothing was dropped: ${slow.isDropped}; it found ${
      megabytes(slow.bytes)
    } of 100, and took ` +
      `${megabytes(slow.grownBytes)}`,
  );
  expect(slow.isDropped, "a reader that reads nothing was not dropped");

  const overload = await runOverload(server, { seconds: 10 });
  console.log(
    `overload  ${Math.round(overload.capacity)}/s at ease, p99 ${
      overload.calmP99Ms.toFixed(0)
    } ms; offered three times as ` +
      `much: ${overload.accepted} of ${overload.offered} accepted, p99 ${
        overload.acceptedP99Ms.toFixed(0)
      } ms; ` +
      `${overload.refused} refused; as fast as before after ${overload.recoveredAfterMs.toFixed(0)} ms`,
  );
  expect(overload.failed === 0, `${overload.failed} requests failed`);
  expect(overload.refused > 0, "nothing was refused: it was not overloaded");
  expect(overload.acceptedP99Ms < ACCEPTED_P99_MS_MAX, "what was accepted took too long");
  expect(overload.recoveredAfterMs < 10_000, "it does not recover");
  return wrong;
}

try {
  const wrong = await main();
  for (const what of wrong) console.error(`Wrong: ${what}`);
  Deno.exit(wrong.length > 0 ? 1 : 0);
} catch (error) {
  await endChildren();
  throw error;
}
