import type { Clock } from "./core/clock.ts";
import type { OpenRuntime } from "./create_runtime.ts";

/** What is stopped. */
export type Drained =
  & Pick<OpenRuntime, "clock" | "drain" | "activities" | typeof Symbol.asyncDispose>
  & { readonly limits: Pick<OpenRuntime["limits"], "drainMsMax"> };

/**
 * Stops a runtime in good order, within `drainMsMax`. Whoever waits is answered, and what runs is waited for;
 * after half of that time activities are told to stop, and after four fifths what still goes on is given up.
 *
 * @param shutdown Lets the server in front of it answer what it has, and take no more.
 * @returns Whether all was done in time.
 */
export async function drain(runtime: Drained, shutdown: () => Promise<void>): Promise<boolean> {
  const { clock, activities, limits: { drainMsMax } } = runtime;
  const inTime = await withDeadline(clock, drainMsMax * 0.8, async () => {
    const served = runtime.drain().then(shutdown);
    const isIdle = await withDeadline(clock, drainMsMax * 0.5, () => activities.idle());
    if (!isIdle) activities.interrupt();
    await Promise.all([served, activities.idle()]);
  });
  await withDeadline(clock, drainMsMax * 0.2, () => runtime[Symbol.asyncDispose]());
  return inTime;
}

/** @returns Whether `work` ended before the deadline. */
async function withDeadline(
  clock: Clock,
  deadlineMs: number,
  work: () => Promise<unknown>,
): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const cancel = clock.after(deadlineMs, () => resolve(false));
  const inTime = await Promise.race([work().then(() => true as const), late]);
  cancel();
  return inTime;
}
