/** Folio's command line in this process, on a folder and on the server that runs on it. */
import { runFolio } from "../../scripts/folio/program.ts";
import type { Terminal } from "../../scripts/support/terminal.ts";
import type { Fetch } from "../../src/client/types.ts";
import type { OpenRuntime } from "../../src/create_runtime.ts";
import { createApp } from "../../src/mod.ts";
import { temporaryFolder } from "../store/databases.ts";
import modules, { desk } from "./modules/desk.ts";
import { openRuntime } from "./support.ts";

export const URL_ARGS = ["--url", "http://localhost"];
export const MODULES_ARGS = ["--modules", new URL("./modules/desk.ts", import.meta.url).pathname];

/** What came of a command line. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The world that a command meets. */
export interface World extends Partial<Pick<Terminal, "columns" | "progress">> {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly fetch?: Fetch;
  /** Is given each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs a command line in this process. */
export async function folio(args: readonly string[], world: World = {}): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runFolio(args, {
    print: (line) => {
      out.push(`${line}\n`);
      world.onLine?.(line);
    },
    note: (line) => void err.push(`${line}\n`),
    env: (name) => world.env?.[name],
    readInput: () => Promise.resolve(world.input ?? ""),
    columns: world.columns,
    progress: world.progress,
    fetch: world.fetch,
  });
  return { code, out: out.join(""), err: err.join("") };
}

/** As `runTask`, in this process: what a command line is refused for has nothing to do with permissions. */
export async function runHere(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, out, err } = await folio(args);
  return { code, stdout: out, stderr: err };
}

/** A runtime on a folder, and its server. */
export interface Office {
  readonly runtime: OpenRuntime;
  readonly data: string;
  /** A command line that is sent to the server. */
  ask(...args: string[]): Promise<Ran>;
  /** The same with a world of its own. */
  askIn(world: World, ...args: string[]): Promise<Ran>;
  /** A command line that looks into the folder. */
  look(...args: string[]): Promise<Ran>;
}

export async function openOffice(options: { shards?: number; token?: string } = {}): Promise<Office> {
  const { token, ...rest } = options;
  const data = `${temporaryFolder()}/data`;
  const runtime = await openRuntime({ modules, data, ...rest });
  const app = createApp(runtime, { token });
  const fetch: Fetch = (url, init) => app.request(url, init);
  const askIn = (world: World, ...args: string[]) => folio([...args, ...URL_ARGS], { fetch, ...world });
  return {
    runtime,
    data,
    askIn,
    ask: (...args) => askIn({}, ...args),
    look: (...args) => folio([...args, "--data", data]),
  };
}

/** Makes dead letters, and resolves when they are some. */
export async function failCalls({ runtime }: Office, inputs: readonly number[]): Promise<string[]> {
  for (const n of inputs) await runtime.ask(desk.ref("p").phone({ n }));
  while (true) {
    const { deadLetters } = await runtime.deadLetters.list({}, { limit: 100 });
    if (deadLetters.length >= inputs.length) return deadLetters.map(({ id }) => id);
    await new Promise<void>((resolve) => runtime.clock.after(5, resolve));
  }
}

/** JSON values, one a line. */
export function lines({ out }: Ran): unknown[] {
  return out.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
