import { expect, test } from "vitest";
import { openReader } from "../../src/store/reader.ts";
import { temporaryFolder } from "./databases.ts";

// Would catch past statements being freed while another one runs: this thread then waits for it for ever, and
// nobody is left to interrupt it. In a process of its own, which can be ended when it hangs.
test("an endless statement is interrupted, whatever garbage there is to collect", async () => {
  const { stdout, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("reader_child.ts", import.meta.url).pathname, `${temporaryFolder()}/read.db`],
    signal: AbortSignal.timeout(20_000),
  }).output();
  expect([signal, new TextDecoder().decode(stdout).trim()]).toEqual([null, "SQLITE_INTERRUPT"]);
});

test("statements go on when their connection has been opened anew", async () => {
  const reader = await openReader(`${temporaryFolder()}/read.db`);
  for (let n = 0; n < 1_200; n++) expect(await reader.execute({ sql: `SELECT ?`, args: [n] })).toEqual([[n]]);
  reader.close();
});
