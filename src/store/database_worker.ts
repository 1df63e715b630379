/// <reference lib="deno.worker" />
/** The other end of `worker_database.ts`: answers one request after the other. */
import { type Database, DatabaseError } from "./database.ts";
import { openLibsqlDatabase } from "./libsql_database.ts";
import type { WorkerAnswer, WorkerRequest } from "./worker_database.ts";

let database: Database | undefined;
let previous: Promise<void> = Promise.resolve();

self.onmessage = (event: MessageEvent<WorkerRequest>) => {
  previous = previous.then(() => answer(event.data));
};

async function answer(request: WorkerRequest): Promise<void> {
  let response: WorkerAnswer;
  try {
    response = { call: request.call, result: await run(request) };
  } catch (error) {
    const { message, code } = error instanceof DatabaseError
      ? error
      : { message: String(error), code: "UNKNOWN" };
    response = { call: request.call, error: { message, code } };
  }
  self.postMessage(response);
}

async function run(request: WorkerRequest) {
  if (request.kind === "open") {
    database = openLibsqlDatabase(request.location);
    return undefined;
  }
  if (!database) throw new DatabaseError("Database is not open", "CLOSED");
  if (request.kind === "execute") return await database.execute(request.statement);
  if (request.kind === "batch") return await database.batch(request.statements, request.mode);
  await database.close();
  return undefined;
}
