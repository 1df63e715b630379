import { onTestFinished } from "vitest";
import { createRuntime, type CreateRuntimeOptions, type OpenRuntime } from "../../src/create_runtime.ts";
import type { Database } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";

const root = new URL("../../", import.meta.url).pathname;

/** A script started as an operator does, with the permissions of its task. */
export function startTask(task: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", task, ...args],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a script to its end. */
export async function runTask(
  task: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await startTask(task, ...args).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A runtime that is closed when the test is over, if not before. */
export async function openRuntime(options: CreateRuntimeOptions): Promise<OpenRuntime> {
  const runtime = await createRuntime(options);
  // It may have been closed by the test, which it can be once.
  onTestFinished(() => runtime[Symbol.asyncDispose]().catch(() => {}));
  return runtime;
}

/** Looks into a shard, or changes it behind everybody's back. */
export async function withShard<T>(
  folder: string,
  shard: number,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = openLibsqlDatabase({ url: `file:${folder}/shard-${shard}.db` });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** JSON objects, one a line. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
