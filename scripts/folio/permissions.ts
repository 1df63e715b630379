import { ScriptError } from "../support/errors.ts";

/** Commands that need all permissions run in a process that has them; the others never do. */

/** Whether this process may do everything, as `deno task bench` may. */
export function hasAllPermissions(): boolean {
  // Where libraries may be loaded from one folder only, this is not granted.
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

/** Runs the command line in a process that may do everything. @returns Its exit code. */
export async function runWithAllPermissions(args: readonly string[]): Promise<number> {
  const script = new URL("../folio.ts", import.meta.url).pathname;
  const child = start(["run", "--allow-all", script, ...args]);
  // Ctrl+C reaches both, and the child is the one that has something to end.
  const ignore = () => {};
  const pass = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", pass);
  try {
    return (await child.status).code;
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
    Deno.removeSignalListener("SIGTERM", pass);
  }
}

function start(args: string[]): Deno.ChildProcess {
  try {
    // By its name, which is what may be run, and not by its path, which may be another one.
    return new Deno.Command("deno", { args }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable)) throw error;
    throw new ScriptError("Cannot start deno: it is not in PATH; `deno task bench` and the like do without", {
      cause: error,
    });
  }
}
