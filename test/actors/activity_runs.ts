import { onTestFinished } from "vitest";
import type { ActivityContext } from "../../src/core/activity.ts";

/** What an attempt is told of itself, for a test that runs an activity by hand. */
export function contextOf(
  idempotencyKey: string,
  options: { attempt?: number; signal?: AbortSignal; heartbeats?: unknown[] } = {},
): ActivityContext {
  const { attempt = 1, signal = new AbortController().signal, heartbeats = [] } = options;
  return { idempotencyKey, attempt, signal, heartbeat: (detail) => void heartbeats.push(detail) };
}

/** A data folder of this test's own, and other variables that it needs; all of it is put back after the test. */
export function useEnvironment(variables: Record<string, string> = {}): { data: string } {
  const data = Deno.makeTempDirSync({ prefix: "folio-test-" });
  for (const [name, value] of Object.entries({ FOLIO_DATA: data, ...variables })) {
    const before = Deno.env.get(name);
    Deno.env.set(name, value);
    onTestFinished(() => before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before));
  }
  onTestFinished(() => Deno.remove(data, { recursive: true }));
  return { data };
}
