import { defaultLimits, type Limits } from "./config.ts";
import { auditActor } from "./core/audit.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import type { Ids } from "./core/ids.ts";
import { type Log, silentLog } from "./core/log.ts";
import { Observation, type ObserveOptions } from "./observe/observation.ts";
import { Archiver } from "./processors/archiver.ts";
import { Activities } from "./processors/activities.ts";
import { Pruner } from "./processors/pruner.ts";
import { Projections } from "./processors/projections.ts";
import { QueryRunner } from "./processors/query_runner.ts";
import { Reactors } from "./processors/reactors.ts";
import { Relay } from "./processors/relay.ts";
import { StrayRejections } from "./processors/stray_rejections.ts";
import { Webhooks, type WebhooksOptions } from "./processors/webhooks.ts";
import type { AlertMonitor, MetricsPage } from "./runtime/observation.ts";
import { type AnyModule, Registry } from "./runtime/registry.ts";
import { Runtime } from "./runtime/runtime.ts";
import { openStores, type StoreOptions, toUnusable } from "./open_stores.ts";

/** How a runtime is put together. */
export interface CreateRuntimeOptions extends StoreOptions {
  readonly modules: readonly AnyModule[];
  readonly limits?: Partial<Limits> | undefined;
  readonly webhooks?: Omit<WebhooksOptions, "limits"> | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: Ids | undefined;
  readonly log?: Log | undefined;
  /** Metrics and alerts; `false` for none. */
  readonly observe?: ObserveOptions | false | undefined;
  /** Whether activities are performed and schedules begun (true); otherwise they wait for another process. */
  readonly performs?: boolean | undefined;
  /**
   * Whether a promise that a module's code leaves rejected is logged, counted and told of by an alert, instead of
   * ending the process. False unless given: in a program that embeds Folio, that is for the program to say.
   */
  readonly survivesStrayRejections?: boolean | undefined;
  /** Aborted where a simulation lets it die: nothing outside holds on to it then. */
  readonly death?: AbortSignal | undefined;
}

/** A runtime that owns its store: disposing of it ends its work and closes the store. */
export interface OpenRuntime extends Runtime {
  readonly projections: Projections;
  readonly reactors: Reactors;
  readonly activities: Activities;
  /** Undefined where `observe` is false. */
  readonly metrics: MetricsPage | undefined;
  readonly traceRatio: number | undefined;
  readonly alerts: AlertMonitor | undefined;
  readonly webhooks: Webhooks;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a store and runs the modules on it.
 *
 * @throws {UnusableStoreError} When the store is held by another process, or is not Folio's.
 *
 * @example
 * ```ts
 * import { createRuntime } from "folio";
 * import { counter } from "../actors/counter.ts";
 *
 * await using runtime = await createRuntime({ modules: [counter], data: ":memory:" });
 * const result = await runtime.ask(counter.ref("clicks").increment({ by: 2 }));
 * if (result.ok) console.assert(result.reply.value === 2);
 * ```
 */
export async function createRuntime(options: CreateRuntimeOptions): Promise<OpenRuntime> {
  const { stores, takeReadDatabase, release } = await openStores({
    ...options,
    archives: options.modules.some((module) => module.kind === "actor" && module.archive !== undefined),
  });
  /** What has to end, the last first, where what comes after it cannot start. */
  const begun: { stop(): unknown }[] = [];
  try {
    const webhooks = new Webhooks({ ...options.webhooks, limits: { ...defaultLimits, ...options.limits } });
    const builtIn = [...webhooks.modules, auditActor];
    const { observe = {}, clock = systemClock, log = silentLog } = options;
    const observation = observe
      ? new Observation(new Registry(options.modules, builtIn), clock, observe.traceRatio)
      : undefined;
    const runtime = await Runtime.start({
      ...options,
      stores,
      builtIn,
      observer: observation?.observer,
    });
    begun.push(runtime);
    const readDatabase = await takeReadDatabase(() => runtime.overtaken());
    const projections = new Projections(runtime, readDatabase, new QueryRunner(runtime, readDatabase));
    const reactors = new Reactors(runtime);
    const activities = new Activities(runtime);
    const strays = new StrayRejections(runtime, options.survivesStrayRejections ?? false, options.death);
    const following = { start: () => webhooks.start(runtime), stop: () => webhooks.stop() };
    const processors = [
      ...[strays, new Relay(runtime), new Pruner(runtime), new Archiver(runtime), projections, reactors],
      // Webhooks before activities: a delivery has to know what has become of its webhook.
      ...(options.performs ?? true) ? [following, runtime.schedules, activities] : [],
    ];
    for (const processor of processors) {
      begun.push(processor);
      await processor.start();
    }
    const watched = observation?.watch({
      clock,
      get isDraining() {
        return runtime.isDraining;
      },
      shards: runtime.shards,
      positions: () => runtime.positions(),
      projections,
      reactors,
      activities,
      strays,
      sagas: {
        names: () => runtime.registry.sagas.keys(),
        count: async (saga, status, limit) =>
          (await runtime.sagas.list(saga, { status, limit })).sagas.length,
      },
    }, { ...observe, log, limits: runtime.limits });
    let isDisposed = false;
    return Object.assign(runtime, {
      projections,
      reactors,
      activities,
      webhooks,
      traceRatio: observe ? observe.traceRatio : 0,
      metrics: watched?.metrics,
      alerts: watched?.alerts,
      async [Symbol.asyncDispose]() {
        if (isDisposed) return;
        isDisposed = true;
        await watched?.stop();
        await Promise.all(processors.map((processor) => processor.stop()));
        await runtime.stop();
        await release();
      },
    });
  } catch (error) {
    for (const each of begun.reverse()) {
      // Why it could not start is what is to be told.
      await Promise.try(() => each.stop()).catch(() => {});
    }
    await release();
    throw toUnusable(error, options);
  }
}
