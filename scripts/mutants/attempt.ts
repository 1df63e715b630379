import type { Catch } from "./mutant.ts";

/**
 * What came of a command. `broken`: it failed, but no test or seed said so; a file that cannot be read, say, so
 * nothing is shown.
 */
export interface Attempt {
  readonly outcome: "passed" | "caught" | "broken" | "timeout";
  /** What has failed, or why it is broken. */
  readonly by: string;
}

const HEAP_MB = 2_048;
const TAIL_CHARS = 4_000;
const BROKEN_CHARS = 600;

/** How one says on the command line what `attempt` runs. */
export function titleOf(what: Catch): string {
  return "tests" in what ? what.tests.join(" ") : `simulate --seeds ${what.seeds} --from 1`;
}

/** Runs tests or the simulation in a copy of the repository, for so long at the most. */
export async function attempt(root: string, what: Catch, timeoutMs: number): Promise<Attempt> {
  const report = `${root}/mutants-report.json`;
  await Deno.remove(report).catch(() => {});
  const args = "tests" in what
    ? [
      ...["npm:vitest", "run", "--config", "test/vitest.config.ts", "--bail", "1"],
      ...["--reporter", "json", "--outputFile", report, ...what.tests],
    ]
    : ["scripts/folio.ts", "simulate", "--seeds", String(what.seeds), "--from", "1"];
  const { code, output, isTimeout } = await run(root, args, timeoutMs);
  const failed = "tests" in what ? await failedTest(report) : brokenPromise(output);
  if (failed?.isTimeout) return { outcome: "timeout", by: failed.name };
  if (failed) return { outcome: "caught", by: failed.name };
  if (isTimeout) return { outcome: "timeout", by: `no end within ${timeoutMs / 1_000} s` };
  return code === 0 ? { outcome: "passed", by: "" } : { outcome: "broken", by: output.slice(-BROKEN_CHARS) };
}

/** In a process group of its own, which ends with it: tests start processes. */
async function run(root: string, args: readonly string[], timeoutMs: number) {
  const heap = `--max-old-space-size=${HEAP_MB}`;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", `--v8-flags=${heap}`, ...args],
    cwd: root,
    // Vitest's own processes take the limit from there.
    env: { DENO_V8_FLAGS: heap, NO_COLOR: "1", TMPDIR: `${root}/tmp` },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const killGroup = () => {
    try {
      Deno.kill(-process.pid, "SIGKILL");
    } catch {
      // Nothing of it is left.
    }
  };
  const signal = AbortSignal.timeout(timeoutMs);
  const interrupted = () => {
    killGroup();
    Deno.exit(130);
  };
  signal.addEventListener("abort", killGroup);
  Deno.addSignalListener("SIGINT", interrupted);
  Deno.addSignalListener("SIGTERM", interrupted);
  try {
    let output = "";
    const take = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        // The first seed that fails is enough; what is said last tells why a command is broken.
        output = brokenPromise(output) === undefined ? (output + text).slice(-TAIL_CHARS) : output;
        if (brokenPromise(output) !== undefined) killGroup();
      }
    };
    const [status] = await Promise.all([process.status, take(process.stdout), take(process.stderr)]);
    return { code: status.code, output, isTimeout: signal.aborted };
  } finally {
    signal.removeEventListener("abort", killGroup);
    Deno.removeSignalListener("SIGINT", interrupted);
    Deno.removeSignalListener("SIGTERM", interrupted);
    killGroup();
  }
}

interface Failure {
  readonly name: string;
  /** A test that did not end in its time. */
  readonly isTimeout: boolean;
}

/** What the simulation says of the first seed that fails. */
function brokenPromise(output: string): Failure | undefined {
  const found = /^Seed (\d+) breaks a promise:\n\s+(.+)\n/m.exec(output);
  return found ? { name: `seed ${found[1]}: ${found[2]}`, isTimeout: false } : undefined;
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly title: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** The first test that failed, if one did; a file that cannot even be read has none. */
async function failedTest(file: string): Promise<Failure | undefined> {
  let report: Report;
  try {
    report = JSON.parse(await Deno.readTextFile(file));
  } catch {
    return undefined; // it did not get so far
  }
  const failed = report.testResults.flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed")
    .map(({ title, failureMessages = [] }) => ({
      name: `“${title}”`,
      isTimeout: failureMessages.some((message) => /(Test|Hook) timed out in/.test(message)),
    }));
  return failed.find(({ isTimeout }) => !isTimeout) ?? failed[0];
}
