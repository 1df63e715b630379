import { backoffMs, type RetryPolicy } from "../core/backoff.ts";
import { FolioClientError } from "./client_error.ts";
import { type ActorAddress, actorPath, readMessage, timeText } from "./reads.ts";
import { type Answer, sleep, type Transport } from "./transport.ts";
import type { CommandOptions, CommandResult, SendOptions } from "./types.ts";

/** A command and whom it is for. */
export interface Command {
  readonly actor: ActorAddress;
  readonly name: string;
  readonly input: unknown;
}

/** How often a message is asked after: at once after short waits, and every 5 s in the end. */
const pollPolicy: RetryPolicy = { attemptsMax: Infinity, delayMs: 100, delayMsMax: 5_000, jitter: 0.2 };

/** Sends a command and waits until it is handled. */
export async function askCommand(
  transport: Transport,
  command: Command,
  options: CommandOptions,
): Promise<CommandResult<unknown, unknown>> {
  const messageId = options.idempotencyKey ?? transport.ids.next();
  const prefer = options.waitSeconds === undefined ? undefined : `wait=${options.waitSeconds}`;
  try {
    const answer = await post(transport, command, options, { "idempotency-key": messageId, prefer });
    if (answer.status === 202) return await pollMessage(transport, messageId, command, options.signal);
    const { reply, version, position } = answer.body as { reply: unknown; version: number; position: number };
    return {
      ok: true,
      reply,
      version,
      position,
      messageId,
      token: answer.headers.get("folio-position") ?? "",
    };
  } catch (error) {
    if (!(error instanceof FolioClientError) || !error.isRejection) throw error;
    return { ok: false, rejection: { code: error.code, details: error.problem?.details }, messageId };
  }
}

/** Sends a command. Resolves once the server has it on disk. */
export async function sendCommand(
  transport: Transport,
  command: Command,
  options: SendOptions,
): Promise<{ messageId: string }> {
  const messageId = options.idempotencyKey ?? transport.ids.next();
  try {
    await post(transport, command, options, {
      "idempotency-key": messageId,
      "prefer": "respond-async",
      "folio-delay": options.delay,
      "folio-deliver-at": timeText(options.deliverAt),
    });
  } catch (error) {
    // A message that an earlier attempt has delivered may have its answer by now: it was taken all the same.
    if (!(error instanceof FolioClientError) || !error.isRejection) throw error;
  }
  return { messageId };
}

function post(
  transport: Transport,
  { actor, name, input }: Command,
  { expectedVersion, correlationId, signal }: CommandOptions,
  headers: Readonly<Record<string, string | undefined>>,
): Promise<Answer> {
  return transport.call({
    method: "POST",
    path: `${actorPath(actor)}/${encodeURIComponent(name)}`,
    headers: {
      ...headers,
      "if-match": expectedVersion === undefined ? undefined : `"${expectedVersion}"`,
      "folio-correlation-id": correlationId,
    },
    body: input ?? {},
    signal,
  });
}

/**
 * Asks after a message until it is handled, as long as `signal` lets it.
 *
 * @throws {FolioClientError} `message-dead`; or `unknown-message` once the server does not keep it any more.
 */
async function pollMessage(
  transport: Transport,
  messageId: string,
  { actor }: Command,
  signal: AbortSignal | undefined,
): Promise<CommandResult<unknown, unknown>> {
  for (let polls = 1;; polls++) {
    await sleep(transport.clock, backoffMs(pollPolicy, polls, transport.ids.random()), signal);
    const { message, token } = await readMessage(transport, messageId, {
      actor: `${actor.type}/${actor.key}`,
      signal,
    });
    const { status, reply, rejection, version = 0, position = 0 } = message;
    if (status === "done") return { ok: true, reply, version, position, messageId, token };
    if (status === "rejected") return { ok: false, rejection, messageId };
    if (status === "dead") {
      throw new FolioClientError(
        `Message ${messageId} used up its attempts: ${message.error ?? "no error is known"}`,
        500,
        "message-dead",
        { ...message },
      );
    }
  }
}
