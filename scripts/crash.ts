/**
 * Kills the real server with SIGKILL under a mixed load, starts it again, and checks that nothing that was
 * acknowledged is lost, nothing is applied twice, no log has a gap, a projection's rows are a fold over the log,
 * also where it was being rebuilt, and a reactor has sent each of its messages once; many times.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runCrashes } from "./crash/run.ts";
import { endChildren } from "./support/child.ts";

const usage = `Usage: deno task crash [--rounds 30] [--seconds 120] [--shards 1] [--seed n] [--commands 2000]

  --rounds     kills, at the most
  --seconds    no round is begun after so long
  --shards     of the store
  --seed       decides what is sent and when the kills come; printed, so that a run can be made again
  --commands   a kill comes after so many acknowledged commands, at the most`;

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    await endChildren();
    throw error;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "30" },
      seconds: { type: "string", default: "120" },
      shards: { type: "string", default: "1" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
      commands: { type: "string", default: "2000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  const options = {
    rounds: wholeNumber("rounds", values.rounds),
    secondsMax: wholeNumber("seconds", values.seconds),
    shards: wholeNumber("shards", values.shards),
    seed: wholeNumber("seed", values.seed),
    acknowledgedMax: wholeNumber("commands", values.commands),
  };
  console.log(`seed ${options.seed}, ${options.shards} shard${options.shards === 1 ? "" : "s"}`);
  const { violations, ...counts } = await runCrashes({ ...options, killsStarting: true, say: console.log });
  console.log(
    `\n${counts.kills} kills; ${counts.acknowledged} commands acknowledged, ${counts.unknown} cut off, ` +
      `${counts.repeated} repeated; ${counts.events} events, ${counts.forwards} messages between actors; ` +
      `${counts.connections} connections of live readers; ${counts.rebuilds} rebuilds; ` +
      `${counts.echoes} messages of a reactor, with ${counts.replays} replays`,
  );
  if (violations.count === 0) return console.log("No violations.");
  console.error(`\n${violations.count} violations with seed ${options.seed}:\n${violations}`);
  Deno.exit(1);
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`Cannot run: --${name} must be a whole number, not "${text}"\n\n${usage}`);
  Deno.exit(2);
}
