import { percentile, type SoakServer } from "./server.ts";

/** How memory and descriptors went while a server was under a steady mixed load. */
export interface Steady {
  readonly requests: number;
  readonly failed: number;
  /** Medians of the second and of the last fifth of the time. */
  readonly rssBytes: { readonly early: number; readonly late: number };
  readonly descriptors: { readonly early: number; readonly late: number };
}

/** So few that all of them are in memory soon: what grows after that is a leak. */
const KEYS = 300;
const SAMPLE_MS = 250;
/** Where the amount is a number of requests. */
const SAMPLES_OF_REQUESTS = 40;

/** Commands with and without keys, repeated ones, asynchronous ones, queries, reads, and readers who come and go. */
export async function runSteady(
  server: SoakServer,
  amount: ({ readonly seconds: number } | { readonly requests: number }) & { readonly connections?: number },
): Promise<Steady> {
  for (let key = 0; key < KEYS; key++) {
    await server.post(`/actors/account/a${key}/open`, { owner: `o${key}` });
  }
  const { connections = 16 } = amount;
  const begun = performance.now();
  const samples: { rssBytes: number; descriptors: number }[] = [];
  let requests = 0;
  let failed = 0;
  /** How much of it is done, in samples that are due by then. */
  const due = () =>
    "requests" in amount
      ? requests / amount.requests * SAMPLES_OF_REQUESTS
      : (performance.now() - begun) / SAMPLE_MS;
  const end = "requests" in amount ? SAMPLES_OF_REQUESTS : amount.seconds * 1_000 / SAMPLE_MS;
  const loop = async (worker: number) => {
    for (let n = worker; due() < end; n += connections) {
      const status = await request(server, n);
      requests++;
      if (status >= 400) failed++;
      if (samples.length < due()) samples.push(server.usage());
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, worker) => loop(worker)));
  const part = (fifth: number, of: (sample: { rssBytes: number; descriptors: number }) => number) =>
    percentile(samples.slice(samples.length * fifth / 5, samples.length * (fifth + 1) / 5).map(of), 0.5);
  return {
    requests,
    failed,
    rssBytes: { early: part(1, (s) => s.rssBytes), late: part(4, (s) => s.rssBytes) },
    descriptors: { early: part(1, (s) => s.descriptors), late: part(4, (s) => s.descriptors) },
  };
}

async function request(server: SoakServer, n: number): Promise<number> {
  const key = n % KEYS;
  switch (n % 8) {
    case 0:
      return await server.get(`/actors/account/a${key}`);
    case 1:
      return await server.get(`/projections/balances/top?limit=5`);
    case 2:
      return await server.post(`/actors/counter/c${key}/increment`, {}, { prefer: "respond-async" });
    case 3: {
      const headers = { "idempotency-key": `k${n - n % 3}` };
      return await server.post(`/actors/counter/c${(n - n % 3) % KEYS}/increment`, {}, headers);
    }
    case 4: {
      const leaving = new AbortController();
      const headers = { accept: "text/event-stream" };
      const { status } = await fetch(`${server.url}/events?after=now`, { headers, signal: leaving.signal });
      leaving.abort();
      return status;
    }
    default:
      return await server.post(`/actors/account/a${key}/deposit`, { amount: 1 });
  }
}

/** What is not flat; empty where all is. */
export function growthOf({ rssBytes, descriptors, failed }: Steady): string[] {
  const wrong: string[] = [];
  const allowed = Math.max(rssBytes.early * 0.3, 64 * 1024 * 1024);
  if (rssBytes.late - rssBytes.early > allowed) {
    wrong.push(`memory has grown from ${rssBytes.early} to ${rssBytes.late} bytes`);
  }
  if (descriptors.late - descriptors.early > 16) {
    wrong.push(`descriptors have grown from ${descriptors.early} to ${descriptors.late}`);
  }
  if (failed > 0) wrong.push(`${failed} requests failed`);
  return wrong;
}
