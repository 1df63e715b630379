import { FinalError } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { FolioError } from "../core/errors.ts";
import { type CloudEvent, cloudEventOf, webhook, type WebhookSettings } from "../core/webhook.ts";
import type { NewWebhook, WebhookChanges } from "../core/webhook_api.ts";
import type { Limits } from "../config.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AttemptResult, Delivery, WebhookService, WebhookStatus } from "../runtime/webhooks.ts";
import { readLog } from "../store/events.ts";
import { DELIVERY_PREFIX, readDeliveries, readWebhookSecrets, WEBHOOK_ID_CHARS } from "../store/webhooks.ts";
import {
  type Answer,
  attemptOf,
  deliveryActivity,
  DeliveryInput,
  type DeliveryOwner,
  type Envelope,
  pausedError,
  type Post,
  sendEvent,
} from "./webhook_delivery.ts";
import { type KnownWebhook, WebhookFollowers } from "./webhook_followers.ts";
import type { Resolve } from "./webhook_post.ts";
import { refusedFilters, refusedUrl } from "./webhook_settings.ts";

/** How webhooks meet the world. */
export interface WebhooksOptions {
  readonly limits: Limits;
  /** Whether they may be sent to addresses that are not public (false). */
  readonly allowPrivate?: boolean | undefined;
  /** Instead of requests over the network. */
  readonly post?: Post | undefined;
  /** Instead of this system's look-up of host names. */
  readonly resolve?: Resolve | undefined;
}

/** Secrets that sign at the same time; the oldest gives way. */
const SECRETS_MAX = 3;
/** Random bytes of a secret that is made here. */
const SECRET_BYTES = 32;

/** Registers webhooks, and delivers to them. Made before the runtime, which `modules` have to be part of. */
export class Webhooks implements WebhookService, DeliveryOwner {
  /** What the runtime has to have among its modules. */
  readonly modules: readonly AnyModule[];
  readonly #activity;
  #runtime: Runtime | undefined;
  #followers: WebhookFollowers | undefined;
  readonly #started = Promise.withResolvers<void>();
  /** Changes are made one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: WebhooksOptions) {
    this.#activity = deliveryActivity(this, options.limits);
    this.modules = [webhook, this.#activity];
  }

  /** Follows the logs for the webhooks there are. Deliveries that are performed before wait for it. */
  async start(runtime: Runtime): Promise<void> {
    this.#runtime = runtime;
    this.#followers = new WebhookFollowers(runtime, this.#activity);
    await this.#followers.start();
    this.#started.resolve();
  }

  async stop(): Promise<void> {
    await this.#followers?.stop();
  }

  list(): WebhookStatus[] {
    return this.#follow.list();
  }

  get(id: string): WebhookStatus {
    return this.#follow.status(this.#known(id));
  }

  async register(
    { secret: given, from, ...settings }: NewWebhook,
  ): Promise<{ webhook: WebhookStatus; secret: string }> {
    const { world } = this;
    const start = new Map([...world.positions(), ...world.parseToken(from ?? "")]);
    await this.#check(settings);
    return await this.#exclusively(async () => {
      const { webhooksMax } = this.options.limits;
      if (this.#follow.size >= webhooksMax) {
        throw new FolioError("too-many-webhooks", `There are ${webhooksMax} webhooks already`, {
          webhooksMax,
        });
      }
      const id = world.newId();
      const secret = given ?? newSecret();
      // First: without its registration a secret is nothing, but not the other way round.
      await this.#shardOf(id).keepWebhookSecrets(id, JSON.stringify([{ secret }]));
      await this.#ask(id, webhook.ref(id).register({ settings, from: Object.fromEntries(start) }));
      return { webhook: this.get(id), secret };
    });
  }

  change(id: string, changes: WebhookChanges): Promise<WebhookStatus> {
    return this.#exclusively(async () => {
      const { description, ...changed } = changes;
      const { description: before, ...old } = this.#known(id).settings;
      const after = description === undefined ? before : description ?? undefined;
      const settings: WebhookSettings = {
        ...old,
        ...withoutUndefined(changed),
        ...(after === undefined ? {} : { description: after }),
      };
      await this.#check(settings);
      return await this.#ask(id, webhook.ref(id).change({ settings }));
    });
  }

  pause(id: string): Promise<WebhookStatus> {
    return this.#exclusively(() => this.#ask(id, webhook.ref(id).pause({ reason: "requested" })));
  }

  resume(id: string): Promise<WebhookStatus> {
    return this.#exclusively(() => this.#ask(id, webhook.ref(id).resume({})));
  }

  async remove(id: string): Promise<void> {
    await this.#exclusively(async () => {
      this.#known(id);
      const { ok } = await this.world.ask(webhook.ref(id).remove({}));
      if (!ok) throw unknown(id);
      await this.#follow.refresh(this.#shardOf(id));
      await Promise.all(this.world.shards.map((shard) => shard.keepWebhookSecrets(id, null)));
    });
  }

  rotateSecret(id: string, given: string | undefined): Promise<string> {
    return this.#exclusively(async () => {
      this.#known(id);
      const { clock, limits } = this.world;
      const secret = given ?? newSecret();
      const shard = this.#shardOf(id);
      const until = clock.now() + limits.webhookSecretOverlapMs;
      const others = (await readWebhookSecrets(shard.store.database, id))
        .filter((old) => old.secret !== secret && (old.until ?? until) > clock.now())
        .map((old) => ({ secret: old.secret, until: old.until ?? until }));
      const secrets = [{ secret }, ...others].slice(0, SECRETS_MAX);
      await shard.keepWebhookSecrets(id, JSON.stringify(secrets));
      await this.#ask(id, webhook.ref(id)["rotate-secret"]({}));
      return secret;
    });
  }

  async test(id: string): Promise<AttemptResult> {
    const { settings } = this.#known(id);
    const { clock } = this.world;
    const event: CloudEvent = {
      specversion: "1.0",
      id: `test_${this.world.newId()}`,
      source: settings.source,
      type: "folio.webhook.test",
      subject: `webhook/${id}`,
      time: new Date(clock.now()).toISOString(),
      datacontenttype: "application/json",
      data: { webhook: id },
    };
    const envelope = { url: settings.url, secrets: await this.#secrets(id), event };
    const { responseStatus, durationMs, detail } = await this.send(envelope);
    return { responseStatus, durationMs, detail };
  }

  async deliveries(id: string, limit: number): Promise<Delivery[]> {
    this.#known(id);
    const page = { webhook: id, before: Number.MAX_SAFE_INTEGER, limit };
    const lists = await Promise.all(
      this.world.shards.map(({ store, number }) => readDeliveries(store.database, number, page)),
    );
    return lists.flat().sort((a, b) => b.enqueuedAt - a.enqueuedAt || b.seq - a.seq).slice(0, limit)
      .map((record) => {
        const input = DeliveryInput.safeParse(record.input).data;
        const last = record.failures.at(-1);
        const done = record.outcome?.status === "done" ? record.outcome.reply as AttemptResult : undefined;
        return {
          messageId: record.id,
          event: input ? `${input.shard}.${input.position}` : "",
          actor: record.actor.slice(DELIVERY_PREFIX.length + WEBHOOK_ID_CHARS + 1),
          status: record.status,
          attempts: record.attempts,
          enqueuedAt: record.enqueuedAt,
          nextAttemptAt: record.nextAttemptAt,
          handledAt: record.handledAt,
          latest: done && "durationMs" in done ? done : last && attemptOf(last.error),
          failures: record.failures,
        };
      });
  }

  async envelope({ webhook: id, shard, position }: DeliveryInput): Promise<Envelope | undefined> {
    // Before, every webhook would be taken for one that is removed.
    await this.#started.promise;
    const known = this.#follow.get(id);
    if (!known) return undefined;
    if (known.state.status === "paused") throw pausedError(this.options.limits);
    const store = this.world.shards[shard]?.store;
    const page = { after: position - 1, upTo: position, limit: 1, bytesMax: 0 };
    const [event] = store ? (await readLog(store.database, shard, page)).events : [];
    if (!event) throw new FinalError(`There is no event ${shard}.${position}`);
    const { url, source } = known.settings;
    const secrets = await this.#secrets(id);
    return { url, secrets, event: cloudEventOf(this.world.registry.present(event), source) };
  }

  async gone(id: string): Promise<void> {
    this.world.log("error", "Webhook is paused: its receiver answered 410", { webhook: id });
    await this.#exclusively(() => this.#ask(id, webhook.ref(id).pause({ reason: "gone" })));
  }

  async send(envelope: Envelope, signal?: AbortSignal): Promise<Answer> {
    const { limits, post, resolve, allowPrivate: isPrivateAllowed = false } = this.options;
    const { clock } = this.world;
    const { webhookTimeoutMs } = limits;
    const late = new AbortController();
    const cancel = clock.after(webhookTimeoutMs, () => {
      late.abort(new Error(`It took longer than ${webhookTimeoutMs} ms`));
    });
    const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    const world = { now: () => clock.now(), limits, isPrivateAllowed, post, resolve };
    return await sendEvent(envelope, either, world).finally(cancel);
  }

  private get world(): Runtime {
    if (!this.#runtime) throw new Error("Webhooks have not been started");
    return this.#runtime;
  }

  get #follow(): WebhookFollowers {
    if (!this.#followers) throw new Error("Webhooks have not been started");
    return this.#followers;
  }

  #known(id: string): KnownWebhook {
    const known = this.#follow.get(id);
    if (!known) throw unknown(id);
    return known;
  }

  #shardOf(id: string) {
    return this.world.shardOf(`${webhook.name}/${id}`);
  }

  async #secrets(id: string): Promise<string[]> {
    const now = this.world.clock.now();
    const secrets = await readWebhookSecrets(this.#shardOf(id).store.database, id);
    return secrets.filter(({ until }) => until === undefined || until > now).map(({ secret }) => secret);
  }

  /** Sends a command to a webhook's actor, and sees to it that what it has changed is known and done. */
  async #ask(id: string, request: CommandRequest): Promise<WebhookStatus> {
    const { ok } = await this.world.ask(request);
    if (!ok) throw unknown(id);
    await this.#follow.refresh(this.#shardOf(id));
    return this.get(id);
  }

  async #check(settings: WebhookSettings): Promise<void> {
    const { resolve, allowPrivate: isPrivateAllowed = false } = this.options;
    const issues = [
      ...refusedFilters(settings.filters, this.world.registry),
      ...await refusedUrl(settings.url, { resolve, isPrivateAllowed, clock: this.world.clock }),
    ];
    if (issues.length === 0) return;
    throw new FolioError("invalid-input", "Webhook cannot be as it is said to be: see issues", { issues });
  }

  #exclusively<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => {});
    return changed;
  }
}

/** Not of `Ids`, whose chance may be a seed's: nobody must be able to guess it. */
function newSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(SECRET_BYTES))))}`;
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function unknown(id: string): FolioError {
  return new FolioError("unknown-webhook", "There is no webhook of this id", { webhook: id.slice(0, 64) });
}
