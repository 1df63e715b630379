import { type Database, DatabaseError, type Row, type Statement } from "./database.ts";
import type { DatabaseLocation } from "./libsql_database.ts";

/** What the worker is asked, and what it answers. */
export type WorkerRequest =
  & { readonly call: number }
  & (
    | { readonly kind: "open"; readonly location: DatabaseLocation }
    | { readonly kind: "execute"; readonly statement: Statement }
    | { readonly kind: "batch"; readonly statements: readonly Statement[]; readonly mode: "read" | "write" }
    | { readonly kind: "close" }
  );
export type WorkerAnswer =
  & { readonly call: number }
  & ({ readonly result: Row[] | Row[][] | undefined } | {
    readonly error: { message: string; code: string };
  });

interface Waiting {
  resolve(result: never): void;
  reject(error: DatabaseError): void;
}

/** Drops the call number of a request, arm by arm. */
type Unnumbered<T> = T extends unknown ? Omit<T, "call"> : never;

/**
 * Opens a database on a thread of its own, so that turns of the next commit run while this one is on its way
 * to the disk. Requests are answered in the order asked.
 */
export async function openWorkerDatabase(location: DatabaseLocation): Promise<Database> {
  const worker = new Worker(new URL("./database_worker.ts", import.meta.url), {
    type: "module",
    name: location.url,
  });
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  let failure: DatabaseError | undefined;

  worker.onmessage = (event: MessageEvent<WorkerAnswer>) => {
    const answer = event.data;
    const waiter = waiting.get(answer.call);
    waiting.delete(answer.call);
    if ("error" in answer) waiter?.reject(new DatabaseError(answer.error.message, answer.error.code));
    else waiter?.resolve(answer.result as never);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    failure = new DatabaseError(`Database thread failed: ${event.message}`, "THREAD_FAILED");
    for (const waiter of waiting.values()) waiter.reject(failure);
    waiting.clear();
  };
  const ask = <T>(request: Unnumbered<WorkerRequest>) =>
    new Promise<T>((resolve, reject) => {
      if (failure) return reject(failure);
      const call = ++calls;
      waiting.set(call, { resolve, reject });
      worker.postMessage({ ...request, call });
    });

  try {
    await ask({ kind: "open", location });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return {
    execute: (statement) => ask<Row[]>({ kind: "execute", statement }),
    batch: (statements, mode) => ask<Row[][]>({ kind: "batch", statements, mode }),
    async close() {
      const closing = ask({ kind: "close" });
      // From here on: what is asked while the thread is ending would never be answered.
      failure ??= new DatabaseError("Database is closed", "CLOSED");
      try {
        await closing;
      } finally {
        worker.terminate();
      }
    },
  };
}
