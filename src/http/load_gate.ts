import type { MiddlewareHandler } from "hono";
import { FolioError } from "../core/errors.ts";

/** What says whether the server lives must not be silent just then. */
const openPaths = new Set(["/health/live", "/health/ready", "/metrics"]);

/** A burst that is over sooner is worked off, and nobody is refused. */
const LASTS_MS = 1_000;

/** The time of this thread, finer than that of a `Clock`. */
export interface ThreadTime {
  /** In milliseconds, from any time on. */
  now(): number;
  /** Calls `callback` when the thread has done what there is to do now. */
  afterThis(callback: () => void): void;
}

const threadTime: ThreadTime = {
  now: () => performance.now(),
  afterThis: (callback) => void setTimeout(callback, 0),
};

/**
 * Refuses requests that have waited for this thread too long already, once that has gone on for a second. When
 * more arrives than it can do, all that has arrived is begun at once, each turn as it comes, and the last one
 * would wait for all the others; who is refused costs next to nothing. Where requests come one by one, none is
 * ever refused.
 *
 * @param lateMsMax How long the requests of one moment may take, together.
 */
export function loadGate(lateMsMax: number, time: ThreadTime = threadTime): MiddlewareHandler {
  /** When the first request of this moment was begun. */
  let begunAt: number | undefined;
  /** Since when each moment has been too long. */
  let lateSince: number | undefined;
  const over = () => {
    if (begunAt === undefined) return;
    if (time.now() - begunAt > lateMsMax) lateSince ??= begunAt;
    else lateSince = undefined;
    begunAt = undefined;
  };
  return async (c, next) => {
    const now = time.now();
    if (begunAt === undefined) {
      begunAt = now;
      time.afterThis(over);
    } else if (
      now - begunAt > lateMsMax && now - (lateSince ?? now) > LASTS_MS && !openPaths.has(c.req.path)
    ) {
      throw new FolioError("overloaded", "More has arrived than can be done now: try again later", {});
    }
    await next();
  };
}
