import { Command, Option } from "@commander-js/extra-typings";
import { runCrashes } from "../crash/run.ts";
import { withChildren } from "../support/child.ts";
import { FoundWrongError } from "../support/errors.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption, wholeFrom0, wholeFrom1 } from "./options.ts";
import { examples } from "./wording.ts";

/** Kills the real server under a mixed load, and checks its books. */
export function crash(terminal: Terminal) {
  return new Command("crash")
    .description(
      "Kills the real server with SIGKILL under a mixed load, starts it again, and checks that nothing that was " +
        "acknowledged is lost, nothing is applied twice, no log has a gap, a projection's rows are a fold over the log, " +
        "also where it was being rebuilt, a reactor has sent each of its messages once, timers ring once and in time, " +
        "and sagas are done or undone; many times: at any moment, at each point of the way of a commit, and with " +
        "clocks that are set.",
    )
    .addOption(new Option("--rounds <n>", "kills, at the most").argParser(wholeFrom1).default(30))
    .addOption(
      new Option("--seconds <n>", "no round is begun after so long").argParser(wholeFrom1).default(120),
    )
    .addOption(new Option("--shards <n>", "of the store").argParser(wholeFrom1).default(1))
    .addOption(
      new Option(
        "--seed <n>",
        "decides what is sent and when the kills come; printed, so that a run can be made again",
      )
        .argParser(wholeFrom0),
    )
    .addOption(
      new Option("--commands <n>", "a kill comes after so many acknowledged commands, at the most")
        .argParser(wholeFrom1).default(2000),
    )
    .option("--remote", "the store is on a libSQL server, which lives on; there, points are not reached")
    .addOption(jsonOption("a line of JSON: seed, counts, violations"))
    .addHelpText("after", examples("crash", "crash --rounds 100 --seconds 600 --shards 4"))
    .action(async ({ rounds, seconds, shards, commands, remote = false, json, ...flags }) => {
      const seed = flags.seed ?? Math.floor(Math.random() * 1_000_000);
      if (!json) terminal.print(`seed ${seed}, ${shards} shard${shards === 1 ? "" : "s"}`);
      using bar = new ProgressBar(terminal, "Killing", "rounds");
      let begun = 0;
      const say = (line: string) => {
        if (!json) bar.print(line);
        bar.update(Math.min(++begun, rounds), rounds);
      };
      const options = {
        rounds,
        secondsMax: seconds,
        shards,
        // Its cost moves every moment a little; seeds of both kinds are tried.
        chain: seed % 2 === 1,
        seed,
        acknowledgedMax: commands,
        killsStarting: true,
        pointShare: remote ? 0 : 0.4,
        isRemote: remote,
      };
      const { violations, ...counts } = await withChildren(() => runCrashes({ ...options, say }));
      bar.stop();
      if (json) terminal.print(JSON.stringify({ seed, shards, ...counts, violations: violations.all }));
      else {
        terminal.print(textOf(counts));
        if (violations.count === 0) terminal.print("No violations.");
        else terminal.note(`\n${violations.count} violations with seed ${seed}:\n${violations}`);
      }
      if (violations.count > 0) throw new FoundWrongError();
    });
}

function textOf(counts: Omit<Awaited<ReturnType<typeof runCrashes>>, "violations">): string {
  return `\n${counts.kills} kills; ${counts.acknowledged} commands acknowledged, ${counts.unknown} cut off, ` +
    `${counts.repeated} repeated; ${counts.events} events, ${counts.forwards} messages between actors; ` +
    `${counts.connections} connections of live readers; ${counts.rebuilds} rebuilds; ` +
    `${counts.echoes} messages of a reactor, with ${counts.replays} replays; ${counts.sagas} sagas; ` +
    `${counts.timers} timers; ${counts.archived} events in archives; clock set in ${counts.clocksSet} lives\n${
      pointsText(counts.points)
    }`;
}

function pointsText(points: Readonly<Record<string, number>>): string {
  const each = Object.entries(points).map(([place, count]) => `${place} ${count}`);
  return `Ended on the way of a commit: ${each.join(", ") || "never"}.`;
}
