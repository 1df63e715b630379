/** What a load generator saw. `failed`: responses other than 2xx, and connections that broke. */
export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

export interface LoadGenerator {
  readonly name: string;
  run(url: string, options: { connections: number; durationS: number }): Promise<Load>;
}

/** wrk (Debian package `wrk`) where it is installed, autocannon from npm otherwise. */
export async function findLoadGenerator(): Promise<LoadGenerator> {
  if (await runs("wrk", ["--version"])) return { name: "wrk", run: runWrk };
  const isNpxThere = await runs("npx", ["--version"]);
  return {
    name: isNpxThere ? "autocannon, by npx" : "autocannon, by deno",
    run: (url, options) => runAutocannon(isNpxThere, url, options),
  };
}

async function runWrk(
  url: string,
  { connections, durationS }: { connections: number; durationS: number },
): Promise<Load> {
  const script = new URL("./commands.lua", import.meta.url).pathname;
  const output = await textOf("wrk", ["-t1", `-c${connections}`, `-d${durationS}s`, "-s", script, url]);
  return parseLine(output);
}

async function runAutocannon(
  isNpxThere: boolean,
  url: string,
  { connections, durationS }: { connections: number; durationS: number },
): Promise<Load> {
  const har = await Deno.makeTempFile({ suffix: ".har" });
  try {
    await Deno.writeTextFile(har, JSON.stringify(harOf(url)));
    const args = ["-j", "-c", String(connections), "-d", String(durationS), "--har", har, url];
    const [command, ...before] = isNpxThere
      ? ["npx", "--yes", "autocannon@8"]
      : [Deno.execPath(), "run", "--no-lock", "--no-config", "--allow-all", "npm:autocannon@8"];
    const result = parseLine<Autocannon>(await textOf(command ?? "", [...before, ...args]));
    const { requests, latency, errors, timeouts, non2xx } = result;
    return {
      perSecond: requests.average,
      p50Ms: latency.p50,
      p99Ms: latency.p99,
      failed: errors + timeouts + non2xx,
    };
  } finally {
    await Deno.remove(har);
  }
}

interface Autocannon {
  readonly requests: { readonly average: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
}

/** The requests of `commands.lua` in the format that autocannon reads: each connection sends them in turn. */
function harOf(url: string) {
  const entries = Array.from({ length: 1_000 }, (_, index) => ({
    request: {
      method: "POST",
      url: `${url}/actors/counter/bench-${index + 1}/increment`,
      headers: [{ name: "Content-Type", value: "application/json" }],
      postData: { mimeType: "application/json", text: '{"by":1}' },
    },
  }));
  return { log: { version: "1.2", entries } };
}

function parseLine<T = Load>(output: string): T {
  const line = output.split("\n").findLast((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`Cannot read what the load generator printed: ${output}`);
  return JSON.parse(line);
}

async function textOf(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`Load generator failed: ${command} ${args.join(" ")}\n${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}

/** Whether a program is there; what it says, and how it ends, is its own affair. */
async function runs(command: string, args: string[]): Promise<boolean> {
  try {
    await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
