import { z } from "zod";

/**
 * Every limit and duration of Folio, each with its unit last. Nothing grows without one; what happens beyond
 * it is said beside it.
 */
export const defaultLimits = {
  /** Messages waiting for one actor; beyond it 429 `mailbox-full`. */
  mailboxDepthMax: 1_000,
  /** Messages waiting in one shard; beyond it 429 `shard-full`. */
  shardDepthMax: 100_000,
  /** Messages on their way from one shard to others; beyond it turns that send fail, and are retried. */
  outboxDepthMax: 100_000,
  /** One JSON value: an input, an event's payload, a reply. Beyond it 413, or the turn fails. */
  payloadBytesMax: 1_048_576,
  /** Levels of arrays and objects in an input; beyond it 400. */
  jsonDepthMax: 64,
  /** Events of one turn; beyond it the turn fails. */
  turnEventsMax: 1_000,
  /** Messages sent by one turn; beyond it the turn fails. */
  turnSendsMax: 1_000,
  /** JSON text of what one turn emits, sends and sets; beyond it the turn fails: a commit takes it as one. */
  turnBytesMax: 33_554_432,
  /** Signals of one saga instance that nothing has waited for yet; beyond it they are rejected. */
  sagaSignalsMax: 1_000,
  /** Turns and admissions in one commit; beyond it they wait for the next. */
  commitTurnsMax: 1_000,
  /** Turns from which on a commit is sent behind one that is on its way; with fewer it waits for that one. */
  commitFollowsTurns: 16,
  /** JSON text in one commit, roughly; beyond it turns wait for the next. */
  commitBytesMax: 4_194_304,
  /** Requests that have arrived together may take so long, together; those behind are refused: 429 `overloaded`. */
  overloadMsMax: 250,
  /** Actors held in memory in one shard; beyond it the least recently used are passivated. */
  activationsMax: 20_000,
  /** An actor not used for so long is passivated. */
  passivateAfterMs: 300_000,
  /** A waiting request is answered 202 after so long; `Prefer: wait` may ask for less. */
  requestWaitMsMax: 30_000,
  /** A body that has not arrived whole after so long is given up: 408. */
  bodyReadMsMax: 30_000,
  /** How long handled messages, and so their ids and replies, are remembered. */
  handledRetentionMs: 86_400_000,
  /** The longest `Folio-Delay`; beyond it 400. */
  delayMsMax: 31_622_400_000,
  /** Delayed messages due within this time are held in memory. */
  delayWindowMs: 60_000,
  /** Items of one page of any list; more are cut to this. */
  pageItemsMax: 1_000,
  /** Texts of one page of any list; it ends before the item that would be too much, and has one at least. */
  pageBytesMax: 2_097_152,
  /** The same for what is read ahead for one live stream. */
  livePageBytesMax: 262_144,
  /** Log positions looked through for one page of `GET /events`. */
  pageScanMax: 10_000,
  /** Nodes of one causal tree; beyond it the tree says so. */
  traceNodesMax: 1_000,
  /** Live event streams; beyond it 503 `too-many-readers`. */
  readersMax: 20_000,
  /** A live stream with nothing to say sends a comment this often, so that a dead connection is noticed. */
  heartbeatMs: 15_000,
  /** A live stream whose reader has not taken what it was given for so long is ended. */
  readerStallMsMax: 30_000,
  /** Rows of one query's answer; more are cut off, and the answer says so. */
  queryRowsMax: 10_000,
  /** A query that takes longer is stopped: 503 `query-too-slow`. */
  queryMsMax: 5_000,
  /** A query that asks for a token is answered 503 `projection-behind` after so long. */
  queryWaitMsMax: 10_000,
  /** A libSQL server that has not answered after so long is given up, and asked again. */
  storeAnswerMsMax: 30_000,
  /** How often it is looked for what an operator should be told. */
  alertEveryMs: 15_000,
  /** A queue is said to grow when so many wait, and more of them in the newer half of this window. */
  alertQueueDepthMin: 100,
  alertQueueWindowMs: 300_000,
  /** A projection or reactor may be behind by so much. */
  alertLagMsMax: 60_000,
  /** What is asked of an activity may wait for so long. */
  alertActivityAgeMsMax: 300_000,
  /** The circuit of an activity may be open for so long. */
  alertCircuitOpenMsMax: 60_000,
  /** A promise that was left rejected is told of for so long after the latest one. */
  alertStrayMs: 300_000,
  /** Webhooks; beyond it 409 `too-many-webhooks`. */
  webhooksMax: 100,
  /** Deliveries of one webhook that wait in one shard; beyond it its events wait in the log. */
  webhookPendingMax: 500,
  /** Deliveries that are being tried at the same time. */
  webhookRequestsMax: 100,
  /** A receiver that has not answered after so long counts as failed. */
  webhookTimeoutMs: 20_000,
  /** Of a receiver's answer; more is not read. */
  webhookResponseBytesMax: 1_024,
  /** Attempts of one delivery, then it is a dead letter: with the delays below, some three days. */
  webhookAttemptsMax: 19,
  /** After the first failure of a delivery; doubled after each further one, up to the second figure. */
  webhookRetryMs: 5_000,
  webhookRetryMsMax: 43_200_000,
  /** Deliveries of a webhook that is paused look so often whether it still is. */
  webhookPausedMs: 60_000,
  /** How long a secret that was replaced still signs, too. */
  webhookSecretOverlapMs: 86_400_000,
  /**
   * From SIGTERM to the end of the process. After half of it, activities that still run are told to stop; after
   * four fifths, what still goes on is given up.
   */
  drainMsMax: 10_000,
};

export type Limits = typeof defaultLimits;

const port = z.coerce.number().int().min(0).max(65_535);

const environment = z.object({
  FOLIO_HOST: z.string().min(1).default("127.0.0.1"),
  FOLIO_PORT: port.default(8000),
  FOLIO_DATA: z.string().min(1).default("./data"),
  FOLIO_DATA_TOKEN: z.string().min(1).optional(),
  FOLIO_SHARDS: z.coerce.number().int().min(1).max(256).default(1),
  FOLIO_TOKEN: z.string().min(16, "must be at least 16 characters").regex(
    /^[\x21-\x7e]+$/,
    "must be printable ASCII",
  )
    .optional(),
  FOLIO_MODULES: z.string().min(1).default("./actors/mod.ts"),
  FOLIO_ALERT_WEBHOOK: z.url({ protocol: /^https?$/ }).optional(),
  FOLIO_TRACE_RATIO: z.coerce.number().min(0).max(1).default(1),
  FOLIO_WEBHOOKS_ALLOW_PRIVATE: z.enum(["true", "false"]).default("false"),
  FOLIO_CHAIN: z.enum(["0", "1"]).default("0"),
  FOLIO_LOG: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

/** The names of the variables that are read, and no others. */
export const environmentNames = Object.keys(environment.shape);

/** What the server is told by its environment. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** A folder, or the URL of a libSQL server. */
  readonly data: string;
  readonly dataToken: string | undefined;
  readonly shards: number;
  readonly token: string | undefined;
  /** Path of the module whose default export lists the modules to run. */
  readonly modules: string;
  /** Told of each alert, by POST. */
  readonly alertWebhook: string | undefined;
  /** Which part of the traces that begin here is kept. */
  readonly traceRatio: number;
  /** Whether webhooks may be sent to addresses that are not public: this machine, its network. */
  readonly webhooksAllowPrivate: boolean;
  /** Whether the log carries a hash chain, by which `deno task verify` sees later edits. */
  readonly chain: boolean;
  readonly log: "debug" | "info" | "warn" | "error";
}

/** A setting that cannot be used, said in one line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Settings from environment variables. An empty variable counts as not set.
 *
 * @throws {ConfigError} Naming each variable at fault.
 */
export function parseConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  const set = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = environment.safeParse(set);
  if (!parsed.success) {
    const reasons = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new ConfigError(`Cannot start: ${reasons.join("; ")}`);
  }
  const env = parsed.data;
  if (!env.FOLIO_TOKEN && !isLoopback(env.FOLIO_HOST)) {
    throw new ConfigError(
      `Cannot start: FOLIO_HOST is ${env.FOLIO_HOST}, and without FOLIO_TOKEN only this machine may be listened to`,
    );
  }
  return {
    host: env.FOLIO_HOST,
    port: env.FOLIO_PORT,
    data: env.FOLIO_DATA,
    dataToken: env.FOLIO_DATA_TOKEN,
    shards: env.FOLIO_SHARDS,
    token: env.FOLIO_TOKEN,
    modules: env.FOLIO_MODULES,
    alertWebhook: env.FOLIO_ALERT_WEBHOOK,
    traceRatio: env.FOLIO_TRACE_RATIO,
    webhooksAllowPrivate: env.FOLIO_WEBHOOKS_ALLOW_PRIVATE === "true",
    chain: env.FOLIO_CHAIN === "1",
    log: env.FOLIO_LOG,
  };
}

/** Whether a host name or address reaches this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}
