import { errorMessage } from "../core/errors.ts";
import type { Reactor } from "../core/reactor.ts";
import { eventNamesOf, passes, webhook, type WebhookSettings, type WebhookState } from "../core/webhook.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import type { WebhookStatus } from "../runtime/webhooks.ts";
import { readCheckpoint } from "../store/checkpoints.ts";
import { readWebhookIds, readWebhookLeftovers, webhookCheckpoint } from "../store/webhooks.ts";
import { ReactorFollower } from "./reactor_follower.ts";
import { type DeliveryActivity, deliveryKey, webhookOf } from "./webhook_delivery.ts";

const RETRY_DELAY_MS = 1_000;

/** A webhook that is not removed. */
export interface KnownWebhook {
  readonly id: string;
  readonly settings: WebhookSettings;
  readonly state: WebhookState;
  /** One a shard while it is active. */
  readonly followers: readonly ReactorFollower[];
  /** By shard: where it stands while it is paused. */
  readonly positions: readonly number[];
}

/**
 * Knows the webhooks that there are, from the log, and follows each shard's log for those that are active.
 *
 * Invariant: of a webhook and shard there is one follower at a time; the next one begins at the checkpoint that
 * the one before has left.
 */
export class WebhookFollowers {
  readonly #known = new Map<string, KnownWebhook>();
  /** Ids are never used again: these need not be looked at any more. */
  readonly #removed = new Set<string>();
  #refreshing: Promise<void> = Promise.resolve();
  #endings: (() => void)[] = [];
  /** What ends the waiting for the next reading of a shard that could not be read. */
  readonly #retries = new Map<Shard, () => void>();
  #isStopped = false;

  constructor(private readonly runtime: Runtime, private readonly delivery: DeliveryActivity) {}

  async start(): Promise<void> {
    for (const shard of this.runtime.shards) {
      this.#endings.push(shard.wakeups.committed.subscribe(({ types }) => {
        if ([...types].some((type) => type.startsWith(`${webhook.name}/`))) this.#refreshSoon(shard);
      }));
    }
    await Promise.all(this.runtime.shards.map((shard) => this.refresh(shard)));
    await this.#forgetLeftovers();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const end of [...this.#endings, ...this.#retries.values()]) end();
    await this.#refreshing;
    await Promise.all(
      [...this.#known.values()].flatMap(({ followers }) => followers.map((each) => each.stop())),
    );
  }

  get(id: string): KnownWebhook | undefined {
    return this.#known.get(id);
  }

  get size(): number {
    return this.#known.size;
  }

  list(): WebhookStatus[] {
    return [...this.#known.values()].map((known) => this.status(known)).sort((a, b) => a.id < b.id ? -1 : 1);
  }

  status({ id, settings, state, followers, positions }: KnownWebhook): WebhookStatus {
    const { shards } = this.runtime;
    const lags = followers.length > 0
      ? followers.map(({ lagEvents }) => lagEvents)
      : shards.map(({ durablePosition }, index) => durablePosition - (positions[index] ?? 0));
    return {
      id,
      settings,
      status: state.status === "paused" ? "paused" : "active",
      pauseReason: state.pauseReason,
      lagEvents: lags.reduce((sum, lag) => sum + Math.max(0, lag), 0),
      pendingDeliveries: shards.reduce((sum, shard) => sum + pendingOf(shard, id), 0),
      failure: followers.find(({ failure }) => failure)?.failure,
    };
  }

  /** Resolves when what the log says of the webhooks of a shard is what is known and done. */
  refresh(shard: Shard): Promise<void> {
    const refreshed = this.#refreshing.then(async () => {
      for (const id of await readWebhookIds(shard.store.database)) {
        if (this.#removed.has(id)) continue;
        const { state } = await this.runtime.state(webhook.name, id);
        await this.#apply(id, state as WebhookState);
      }
    });
    this.#refreshing = refreshed.catch(() => {});
    return refreshed;
  }

  #refreshSoon(shard: Shard): void {
    if (this.#isStopped) return;
    this.refresh(shard).catch((error) => {
      if (this.#isStopped || this.runtime.isDraining) return;
      this.runtime.log("warn", "Webhooks cannot be read yet", {
        shard: shard.number,
        error: errorMessage(error),
      });
      // One at a time, however many events have come of webhooks meanwhile.
      this.#retries.get(shard)?.();
      this.#retries.set(shard, this.runtime.clock.after(RETRY_DELAY_MS, () => this.#refreshSoon(shard)));
    });
  }

  async #apply(id: string, state: WebhookState): Promise<void> {
    if (this.#isStopped) return;
    const before = this.#known.get(id);
    const { status, settings } = state;
    const isActive = status === "active" && settings !== undefined;
    const isSame = before && isActive === before.followers.length > 0 &&
      JSON.stringify(before.settings.filters) === JSON.stringify(settings?.filters);
    if (!isSame) await Promise.all(before?.followers.map((follower) => follower.stop()) ?? []);
    if (status === "removed" || !settings) {
      this.#removed.add(id);
      this.#known.delete(id);
      return;
    }
    const followers = isSame ? before.followers : isActive ? this.#newFollowers(id, settings, state) : [];
    const positions = isActive ? [] : await this.#positions(id, state);
    this.#known.set(id, { id, settings, state, followers, positions });
    if (!isSame) { for (const follower of followers) follower.start(); }
  }

  #newFollowers(id: string, { filters }: WebhookSettings, { from }: WebhookState): ReactorFollower[] {
    const { registry, limits, shards } = this.runtime;
    const actors = [...registry.actors.values()].filter((actor) => !registry.isBuiltIn(actor));
    const handler: NonNullable<ReturnType<Reactor["on"]["get"]>> = (
      react,
      { actor, type, shard, position },
    ) => {
      if (!passes(filters, { actor, type })) return;
      react.perform(this.delivery, { webhook: id, shard, position }, { key: deliveryKey(id, actor) });
    };
    const reactor: Reactor = {
      kind: "reactor",
      name: webhookCheckpoint(id),
      startFrom: "now",
      on: new Map(eventNamesOf(filters, actors).map((name) => [name, handler])),
    };
    return shards.map((shard) =>
      new ReactorFollower(this.runtime, reactor, shard, {
        startAfter: from[shard.number],
        hasRoom: () => pendingOf(shard, id) < limits.webhookPendingMax,
      })
    );
  }

  #positions(id: string, { from }: WebhookState): Promise<number[]> {
    return Promise.all(
      this.runtime.shards.map(async ({ number, store }) =>
        await readCheckpoint(store.database, webhookCheckpoint(id)) ?? from[number] ?? 0
      ),
    );
  }

  /** What a process that ended in between has left of webhooks that are removed, or never were registered. */
  async #forgetLeftovers(): Promise<void> {
    for (const shard of this.runtime.shards) {
      const ids = await readWebhookLeftovers(shard.store.database);
      await Promise.all(
        ids.filter((id) => !this.#known.has(id)).map((id) => shard.keepWebhookSecrets(id, null)),
      );
    }
  }
}

/** Deliveries of a webhook that wait in a shard, or are being tried. */
function pendingOf(shard: Shard, id: string): number {
  let pending = 0;
  for (const { message } of shard.work.entries) if (webhookOf(message.actor) === id) pending++;
  return pending;
}
