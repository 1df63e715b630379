import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { defaultLimits } from "../../src/config.ts";
import { ACCEPTED_P99_MS_MAX, type Overload, runOverload } from "../soak/overload.ts";
import { NEWS, type Readers, runReaders, runSlowReader } from "../soak/readers.ts";
import { SoakServer } from "../soak/server.ts";
import { growthOf, runSteady, type Steady } from "../soak/steady.ts";
import { withChildren } from "../support/child.ts";
import { FoundWrongError } from "../support/errors.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption, wholeFrom1 } from "./options.ts";
import { examples } from "./wording.ts";

type Slow = Awaited<ReturnType<typeof runSlowReader>>;

const OVERLOAD_SECONDS = 10;
const SLOW_MEGABYTES = 100;
/** What is read ahead for one that reads nothing, and what the server needs meanwhile: not all that there is. */
const SLOW_BYTES_MAX = 50 * 1_048_576;

/** Keeps a real server under load for minutes. */
export function soak(terminal: Terminal) {
  return new Command("soak")
    .description(
      "Keeps a real server under load for minutes: memory and descriptors stay flat, ten thousand idle readers cost " +
        "little, one that does not read is dropped, and three times too much work is refused in time. Exit code 1 " +
        "unless all is as promised.",
    )
    .addOption(
      new Option("--minutes <n>", "of steady load; the other parts take about two more").argParser(minutes)
        .default(3),
    )
    .addOption(
      new Option(
        "--readers <n>",
        "live streams that stand idle; twice as many file descriptors must be allowed (ulimit -n)",
      ).argParser(wholeFrom1).default(10_000),
    )
    .addOption(new Option("--shards <n>", "of the store").argParser(wholeFrom1).default(1))
    .addOption(jsonOption("a line of JSON: steady, readers, slow, overload, wrong"))
    .addHelpText("after", examples("soak", "soak --minutes 60 --shards 4"))
    .action(async ({ minutes, readers: count, shards, json }) => {
      const say = (line: string) => void (json || terminal.print(line));
      await withChildren(async () => {
        await using server = await SoakServer.start({ FOLIO_SHARDS: String(shards) });
        const steady = await withBar(terminal, minutes * 60, (seconds) => runSteady(server, { seconds }));
        say(steadyText(steady));
        const readers = await runReaders(server, count);
        say(readersText(readers));
        const waitMs = defaultLimits.readerStallMsMax + 5_000;
        const slow = await runSlowReader(server, { megabytes: SLOW_MEGABYTES, waitMs });
        say(
          `slow      one that reads nothing was dropped: ${slow.isDropped}; it found ${
            megabytes(slow.bytes)
          } of ` +
            `${SLOW_MEGABYTES}, and took ${megabytes(slow.grownBytes)}`,
        );
        const overload = await runOverload(server, { seconds: OVERLOAD_SECONDS });
        say(overloadText(overload));
        const wrong = [...growthOf(steady), ...faultsOf(readers, slow, overload)];
        if (json) terminal.print(JSON.stringify({ steady, readers, slow, overload, wrong }));
        else for (const what of wrong) terminal.note(`Wrong: ${what}`);
        if (wrong.length > 0) throw new FoundWrongError();
      });
    });
}

/** Shows how much of its time some work has used. */
async function withBar<T>(
  terminal: Terminal,
  seconds: number,
  work: (seconds: number) => Promise<T>,
): Promise<T> {
  using bar = new ProgressBar(terminal, "Steady load", "seconds");
  let passed = 0;
  const timer = setInterval(() => bar.update(Math.min(++passed, seconds), seconds), 1_000);
  try {
    return await work(seconds);
  } finally {
    clearInterval(timer);
  }
}

/** What is not as promised; empty where all is. */
function faultsOf(readers: Readers, slow: Slow, overload: Overload): string[] {
  const { descriptors } = readers;
  const checks: [isSo: boolean, otherwise: string][] = [
    [readers.bytesEach < 100_000, `an idle reader takes ${readers.bytesEach} bytes`],
    [readers.told === 20, `only ${readers.told} of 20 readers were told`],
    [descriptors.after <= descriptors.before + NEWS, "descriptors of readers that have gone are left"],
    [slow.isDropped, "a reader that reads nothing was not dropped"],
    [slow.grownBytes < SLOW_BYTES_MAX, `a reader that reads nothing took ${slow.grownBytes} bytes`],
    [overload.failed === 0, `${overload.failed} requests failed`],
    [overload.refused > 0, "nothing was refused: it was not overloaded"],
    [overload.acceptedP99Ms < ACCEPTED_P99_MS_MAX, "what was accepted took too long"],
    [overload.recoveredAfterMs < 10_000, "it does not recover"],
  ];
  return checks.filter(([isSo]) => !isSo).map(([, otherwise]) => otherwise);
}

function steadyText({ requests, rssBytes, descriptors }: Steady): string {
  return `steady    ${requests} requests; memory ${megabytes(rssBytes.early)}, later ${
    megabytes(rssBytes.late)
  }; ` +
    `descriptors ${descriptors.early}, later ${descriptors.late}`;
}

function readersText({ opened, bytesEach, commandMs, descriptors }: Readers): string {
  return `readers   ${opened} idle, ${Math.round(bytesEach)} bytes each; a command took ${
    commandMs.toFixed(1)
  } ms; ` +
    `descriptors ${descriptors.before}, afterwards ${descriptors.after}`;
}

function overloadText(overload: Overload): string {
  const { capacity, calmP99Ms, accepted, offered, acceptedP99Ms, refused, recoveredAfterMs } = overload;
  return `overload  ${Math.round(capacity)}/s at ease, p99 ${
    calmP99Ms.toFixed(0)
  } ms; offered three times as much: ` +
    `${accepted} of ${offered} accepted, p99 ${
      acceptedP99Ms.toFixed(0)
    } ms; ${refused} refused; as fast as before ` +
    `after ${recoveredAfterMs.toFixed(0)} ms`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MB`;
}

function minutes(text: string): number {
  if (Number(text) > 0 && Number.isFinite(Number(text))) return Number(text);
  throw new InvalidArgumentError("it must be a number above 0");
}
