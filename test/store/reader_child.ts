/** Reads much, then something endless, while its garbage is collected; says how the endless statement ended. */
import { createRequire } from "node:module";
import { openReader } from "../../src/store/reader.ts";

const require = createRequire(import.meta.url);
require("node:v8").setFlagsFromString("--expose-gc");
const collectGarbage: () => void = require("node:vm").runInNewContext("gc");

const reader = await openReader(Deno.args[0]!);
for (let n = 0; n < 50; n++) await reader.execute({ sql: `SELECT ${n}` });
const endless = reader.execute({
  sql: `WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x WHERE n < 0`,
});
const ended = endless.then(() => "with rows", (error) => error.code);
let isOver = false;
ended.finally(() => isOver = true);
for (let turns = 0; !isOver; turns++) {
  // What is collected is freed between two turns of the event loop.
  collectGarbage();
  await new Promise((resolve) => setImmediate(resolve));
  if (turns > 100) reader.interrupt();
}
console.log(await ended);
