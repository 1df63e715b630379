/// <reference lib="deno.worker" />
/** Comes between a database's thread and its driver. */
import LibsqlConnection from "libsql";
import { endNow, type KillPoint } from "./kill_points.ts";

/** The part of the driver that is used. */
interface DriverStatement {
  run(args: unknown[]): void;
  all(args: unknown[]): unknown[][];
}

let endAt: KillPoint | undefined;
let statements = 0;

// Comes before the handler of the thread, which has nothing else to do when it is told to end. Later requests may
// come while it has not begun with that one.
self.addEventListener("message", ({ data }: MessageEvent<{ endAt?: KillPoint }>) => {
  endAt ??= data.endAt;
});

function watched<T>(sql: string, run: () => T): T {
  if (endAt === undefined) return run();
  if (endAt === "begun" && ++statements === 3) endNow(); // BEGIN and another one have run
  if (endAt === "written" && sql === "COMMIT") endNow();
  const rows = run();
  if (endAt === "durable" && sql === "COMMIT") endNow();
  return rows;
}

const driver = LibsqlConnection.prototype as unknown as { prepare(sql: string): DriverStatement };
const prepare = driver.prepare;
driver.prepare = function (sql) {
  const statement = prepare.call(this, sql);
  const run = statement.run.bind(statement);
  const all = statement.all.bind(statement);
  return Object.assign(statement, {
    run: (args: unknown[]) => watched(sql, () => run(args)),
    all: (args: unknown[]) => watched(sql, () => all(args)),
  });
};
