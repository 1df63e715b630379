import { expect, onTestFinished } from "vitest";
import { loadRegistry } from "../../scripts/support/modules.ts";
import { Findings } from "../../scripts/verify/findings.ts";
import { verifyFolder } from "../../scripts/verify/folder.ts";
import type { ServerProcess } from "../server/support.ts";

export const blobs = new URL("./modules/blobs.ts", import.meta.url).pathname;

/** Runs a program of the system. @returns Whether it did what it was told. */
export async function system(program: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

/** Whether this process may mount file systems; most may not. */
export async function mayMount(): Promise<boolean> {
  const folder = Deno.makeTempDirSync();
  const mounted = await system("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder);
  if (mounted) await system("umount", folder);
  Deno.removeSync(folder);
  return mounted;
}

/** A file system of its own, in memory, of a size. It goes with the test. */
export async function smallDisk(size: string): Promise<string> {
  const folder = Deno.makeTempDirSync({ prefix: "folio-disk-" });
  expect(await system("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder)).toBe(true);
  onTestFinished(async () => {
    await system("umount", "-l", folder);
    Deno.removeSync(folder);
  });
  return folder;
}

/** Puts texts until the server says no. @returns Which were acknowledged, and how the server said no. */
export async function putUntilRefused(
  server: ServerProcess,
  from: number,
  chars: number,
): Promise<
  { acknowledged: number[]; status: number; problem: { code?: string }; retryAfter: string | null }
> {
  const acknowledged: number[] = [];
  for (let n = from; n < from + 5_000; n++) {
    const response = await server.post("/actors/blob/b/put", { n, text: "x".repeat(chars) });
    if (response.status !== 200) {
      const retryAfter = response.headers.get("retry-after");
      return { acknowledged, status: response.status, problem: await response.json(), retryAfter };
    }
    acknowledged.push(n);
    await response.body?.cancel();
  }
  throw new Error("It was never refused");
}

/** The numbers that are in the log, in its order. */
export async function putsOf(server: ServerProcess): Promise<number[]> {
  const numbers: number[] = [];
  for (let after = 0;;) {
    const { events } = await server.json(`/actors/blob/b/events?after=${after}&limit=200`);
    if (events.length === 0) return numbers;
    for (const { payload, version } of events) {
      numbers.push(payload.n);
      after = version;
    }
  }
}

/** What is wrong with a folder that no server holds. */
export async function faultsOf(folder: string, modules = blobs): Promise<Findings["told"]> {
  const findings = new Findings();
  await verifyFolder(folder, await loadRegistry(modules), findings);
  return findings.told;
}
