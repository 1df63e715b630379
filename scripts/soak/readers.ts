import { pause, type SoakServer } from "./server.ts";

export interface Readers {
  readonly opened: number;
  readonly bytesEach: number;
  /** How long a command took while they were there. */
  readonly commandMs: number;
  /** How many were told of an event of their own. */
  readonly told: number;
  /** Descriptors of the server before they came, and after they had gone. */
  readonly descriptors: { readonly before: number; readonly after: number };
}

/** Opened at once. */
const AT_ONCE = 200;
/** Readers that have news. `fetch` keeps so many connections for later, which are not readers'. */
export const NEWS = 20;

/** Opens many live streams, each of an actor of its own, and lets them stand. */
export async function runReaders(server: SoakServer, count: number): Promise<Readers> {
  await server.post("/actors/counter/warm/increment");
  const before = server.usage();
  const streams: Deno.TcpConn[] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const opening = Array.from({ length: Math.min(AT_ONCE, count - from) }, async (_, index) => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await write(
        connection,
        `GET /actors/counter/r${
          from + index
        }/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`,
      );
      await readUntil(connection, "retry: 1000");
      return connection;
    });
    streams.push(...await Promise.all(opening));
  }
  const standing = server.usage();
  const asked = performance.now();
  await server.post("/actors/counter/other/increment");
  const commandMs = performance.now() - asked;
  // Some of them have news.
  const told = streams.slice(0, NEWS).map((connection) => readUntil(connection, "event: "));
  const newsFor = Array.from(
    { length: NEWS },
    (_, index) => server.post(`/actors/counter/r${index}/increment`),
  );
  await Promise.all(newsFor);
  const isTold = await Promise.all(told);
  for (const connection of streams) connection.close();
  let after = server.usage().descriptors;
  for (let look = 0; look < 200 && after > before.descriptors + NEWS; look++) {
    await pause(50);
    after = server.usage().descriptors;
  }
  return {
    opened: streams.length,
    bytesEach: (standing.rssBytes - before.rssBytes) / count,
    commandMs,
    told: isTold.filter(Boolean).length,
    descriptors: { before: before.descriptors, after },
  };
}

/**
 * A reader that asks for a long log and reads nothing of it.
 *
 * @param options `waitMs`: until it looks whether it is still there.
 * @returns How much it finds then, and how much memory the server has used more meanwhile.
 */
export async function runSlowReader(
  server: SoakServer,
  { megabytes, waitMs }: { megabytes: number; waitMs: number },
): Promise<{ bytes: number; grownBytes: number; isDropped: boolean }> {
  const text = "x".repeat(250_000);
  for (let n = 0; n < megabytes * 4; n++) await server.post(`/actors/blob/b${n % 4}/put`, { text });
  const before = server.usage();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const begun = performance.now();
  await write(connection, `GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`);
  let most = 0;
  while (performance.now() - begun < waitMs) {
    await pause(250);
    most = Math.max(most, server.usage().rssBytes);
  }
  // Who was dropped finds what the sockets hold between here and there, and then the end.
  let bytes = 0;
  const buffer = new Uint8Array(1_048_576);
  let count: number | null = 0;
  while (count !== null && bytes < megabytes * 1_000_000) {
    count = await connection.read(buffer).catch(() => null);
    bytes += count ?? 0;
  }
  connection.close();
  return { bytes, grownBytes: most - before.rssBytes, isDropped: bytes < megabytes * 1_000_000 };
}

async function write(connection: Deno.TcpConn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

async function readUntil(connection: Deno.TcpConn, wanted: string): Promise<boolean> {
  let text = "";
  const buffer = new Uint8Array(4_096);
  while (!text.includes(wanted)) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return false;
    text += new TextDecoder().decode(buffer.subarray(0, count));
    if (/^HTTP\/1\.1 (?!200)/.test(text)) throw new Error(`The reader was refused: ${text.slice(0, 300)}`);
  }
  return true;
}
