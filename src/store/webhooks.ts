import type { MessageRecord } from "../core/message.ts";
import type { Database, Statement } from "./database.ts";
import { readMessagesWhere } from "./messages.ts";

/** Before the id of a webhook in the actor of each of its deliveries, which goes on with `/` and more. */
export const DELIVERY_PREFIX = "activity:deliver-webhook/";
/** Characters of a webhook's id. */
export const WEBHOOK_ID_CHARS = 20;

const webhookOfMessage = `substr(actor, ${DELIVERY_PREFIX.length + 1}, ${WEBHOOK_ID_CHARS})`;
const isDelivery = `substr(actor, 1, ${DELIVERY_PREFIX.length}) = '${DELIVERY_PREFIX}'`;

/**
 * What deliveries are signed with: beside the log, which readers see all of. In the shard of the webhook's
 * actor.
 */
export const createWebhooks = [
  `CREATE TABLE webhook_secrets (
    webhook TEXT PRIMARY KEY,
    secrets TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX messages_deliveries ON messages (${webhookOfMessage}, seq) WHERE ${isDelivery}`,
];

/** A secret, `whsec_` and base64; in use until a time (milliseconds since the Unix epoch), if there is one. */
export interface WebhookSecret {
  readonly secret: string;
  readonly until?: number | undefined;
}

/** The secrets of a webhook as JSON text, or null where it is removed. */
export type WebhookSecretsRow = [webhook: string, secrets: string | null];

/** Keeps secrets; of a webhook that is removed, forgets them and its checkpoint. */
export function changeWebhookSecrets(rows: readonly WebhookSecretsRow[]): Statement[] {
  const kept = rows.filter(([, secrets]) => secrets !== null);
  const removed = rows.filter(([, secrets]) => secrets === null).map(([webhook]) => webhook);
  const statements: Statement[] = [];
  if (kept.length > 0) {
    statements.push({
      sql: `INSERT INTO webhook_secrets SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
        ON CONFLICT (webhook) DO UPDATE SET secrets = excluded.secrets`,
      args: [JSON.stringify(kept)],
    });
  }
  if (removed.length > 0) {
    const args = [JSON.stringify(removed)];
    statements.push(
      { sql: `DELETE FROM webhook_secrets WHERE webhook IN (SELECT value FROM json_each(?))`, args },
      {
        sql:
          `DELETE FROM checkpoints WHERE reactor IN (SELECT '${CHECKPOINT_PREFIX}' || value FROM json_each(?))`,
        args,
      },
    );
  }
  return statements;
}

const CHECKPOINT_PREFIX = "webhook:";

/** Name of the checkpoint of a webhook, which no reactor can have. */
export function webhookCheckpoint(webhook: string): string {
  return CHECKPOINT_PREFIX + webhook;
}

/** The secrets of a webhook; none where it is removed. */
export async function readWebhookSecrets(database: Database, webhook: string): Promise<WebhookSecret[]> {
  const [row] = await database.execute({
    sql: `SELECT secrets FROM webhook_secrets WHERE webhook = ?`,
    args: [webhook],
  });
  return row === undefined ? [] : JSON.parse(String(row[0]));
}

/** Keys of all actors of type `webhook` in a shard, also of those that are removed. */
export async function readWebhookIds(database: Database): Promise<string[]> {
  const rows = await database.execute({
    sql:
      `SELECT substr(actor, 9) FROM main.events WHERE actor > 'webhook/' AND actor < 'webhook0' AND version = 1`,
  });
  return rows.map(([id]) => String(id));
}

/** Deliveries of a webhook in a shard, the newest first, from before a place in that order. */
export function readDeliveries(
  database: Database,
  shard: number,
  page: { webhook: string; before: number; limit: number },
): Promise<MessageRecord[]> {
  // None of them is long: its input says which event, its outcome is cut, and its attempts are few.
  return readMessagesWhere(database, shard, {
    where: `${isDelivery} AND ${webhookOfMessage} = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
    args: [page.webhook, page.before, page.limit],
  });
}

/** Webhooks of which a shard has kept secrets or a checkpoint. */
export async function readWebhookLeftovers(database: Database): Promise<string[]> {
  const rows = await database.execute({
    sql: `SELECT webhook FROM webhook_secrets
      UNION SELECT substr(reactor, ${CHECKPOINT_PREFIX.length + 1}) FROM checkpoints
      WHERE substr(reactor, 1, ${CHECKPOINT_PREFIX.length}) = '${CHECKPOINT_PREFIX}'`,
  });
  return rows.map(([id]) => String(id));
}
