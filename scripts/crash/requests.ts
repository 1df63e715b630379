import type { Answer, Command, Mode } from "./ledger.ts";

/** Nobody waits longer for an answer; a server that is killed ends its connections at once. */
const ANSWER_MS_MAX = 20_000;

/** What cannot happen has happened: not a fault of the network, but an answer that is wrong in itself. */
export class WrongAnswer extends Error {
  override readonly name = "WrongAnswer";
}

/**
 * Sends a command once.
 *
 * @throws {WrongAnswer} When the answer is none that this command can have.
 */
export async function sendCommand(url: string, command: Command, mode: Mode = command.mode): Promise<Answer> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (command.key !== undefined) headers["idempotency-key"] = command.key;
  if (mode === "async") headers.prefer = "respond-async";
  if (mode === "delayed") headers["folio-delay"] = `${command.delayMs}ms`;
  const response = await request(`${url}/actors/${command.actor}/${command.command}`, {
    method: "POST",
    headers,
    body: JSON.stringify(command.input),
  });
  if (!response) return { kind: "unknown" };
  const { status, text } = response;
  const body = JSON.parse(text);
  if (status === 200) {
    const { messageId, version, position, reply } = body;
    return { kind: "done", messageId, version, position, reply, text };
  }
  if (status === 202) return { kind: "accepted", messageId: body.messageId, text };
  if (status === 409 && body.code === "message-in-progress") return { kind: "in-progress" };
  if (status === 409) return { kind: "rejected", text };
  if (status === 429) return { kind: "refused" };
  throw new WrongAnswer(`${mode} ${command.mark} was answered ${status}: ${text}`);
}

/** Sends another command under a key that has been used. @returns The status, if there was an answer. */
export async function sendMismatch(url: string, command: Command): Promise<number | undefined> {
  const response = await request(`${url}/actors/${command.actor}/${command.command}`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": command.key ?? "" },
    body: JSON.stringify({ ...command.input, ...otherContent(command) }),
  });
  return response?.status;
}

/**
 * Begins a saga, or finds that it has begun.
 *
 * @returns Whether it was accepted; nobody knows what became of it otherwise.
 * @throws {WrongAnswer} When the answer is none that it can have.
 */
export async function beginSaga(url: string, input: unknown): Promise<boolean> {
  const headers = { "content-type": "application/json" };
  const response = await request(url, { method: "POST", headers, body: JSON.stringify(input) });
  if (!response || response.status === 429) return false;
  if (response.status !== 202) {
    throw new WrongAnswer(`Saga ${url} was answered ${response.status}: ${response.text}`);
  }
  return true;
}

/** Asks for JSON. @returns The status and the body; undefined when the connection was lost. */
export async function getJson(
  url: string,
  init: RequestInit = {},
): Promise<{ status: number; body: Record<string, unknown> } | undefined> {
  const response = await request(url, init);
  return response && { status: response.status, body: JSON.parse(response.text) };
}

async function request(
  url: string,
  init: RequestInit,
): Promise<{ status: number; text: string } | undefined> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new WrongAnswer(`No answer within ${ANSWER_MS_MAX} ms from ${url}`);
    }
    return undefined;
  }
}

/** Input that is valid too, but not what the command was sent with. */
function otherContent({ input }: Command): Record<string, unknown> {
  const [name, value] = Object.entries(input)[0] ?? [];
  return name === undefined ? {} : { [name]: typeof value === "number" ? value + 1 : `${value}!` };
}
