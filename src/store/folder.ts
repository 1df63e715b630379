import { UnusableStoreError } from "./migrations.ts";

/** A folder that this process holds, until it is released or the process ends, however it ends. */
export interface HeldFolder {
  /** `file:` URL of a database in it. */
  databaseUrl(name: string): string;
  release(): void;
}

/**
 * Makes the folder if need be, and takes it for this process. The operating system drops the lock when the
 * process dies, so a killed holder is never in the way.
 *
 * @throws {UnusableStoreError} When another live process holds it; the message names the process.
 */
export function holdFolder(path: string): HeldFolder {
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(path, { recursive: true });
    file = Deno.openSync(`${path}/folio.lock`, { read: true, write: true, create: true });
  } catch (error) {
    throw new UnusableStoreError(
      `Cannot use the folder ${path}: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
  if (!file.tryLockSync(true)) {
    file.close();
    const holder = Deno.readTextFileSync(`${path}/folio.lock`).trim() || "a process that has just started";
    throw new UnusableStoreError(`Cannot use the folder ${path}: it is held by ${holder}`);
  }
  file.truncateSync();
  file.writeSync(new TextEncoder().encode(`process ${Deno.pid}, since ${new Date().toISOString()}\n`));
  file.syncSync();
  return {
    databaseUrl(name) {
      // Behind two slashes a URL names a machine.
      const file = `${path}/${name}`.replace(/^\/+/, "/");
      return `file:${encodeURI(file).replaceAll("?", "%3F").replaceAll("#", "%23")}`;
    },
    release() {
      file.truncateSync();
      file.close();
    },
  };
}
