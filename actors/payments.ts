import { activity, FinalError } from "folio";
import { z } from "zod";
import { SandboxProvider } from "./sandbox_provider.ts";
import { serviceUrl, standIn } from "./settings.ts";

const policy = { timeout: "10s", concurrency: 20, circuitBreaker: { failuresMax: 20 } } as const;

/** A card that is declined is an answer: nothing has failed, and no operator needs to look at it. */
const Charge = z.union([
  z.object({ id: z.string(), amount: z.int() }),
  z.object({ declined: z.string() }),
]);

/** Charges a card at `PAYMENTS_URL`, or in the sandbox: once for one request, however many attempts it takes. */
export const chargeCard = activity("charge-card", {
  ...policy,
  input: z.object({ amount: z.int().positive(), card: z.string().min(1).max(100) }),
  output: Charge,
  run: async (input, { idempotencyKey, signal }) => {
    const url = serviceUrl("PAYMENTS_URL");
    if (url === undefined) return await sandbox().charge(input, idempotencyKey, signal);
    const answer = await post(`${url}/charges`, input, idempotencyKey, signal);
    return "id" in answer ? { id: answer.id, amount: input.amount } : answer;
  },
});

/** Gives a charge back. */
export const refundCard = activity("refund-card", {
  ...policy,
  // What is owed is tried to be paid back for hours before a human has to see to it.
  retry: { attemptsMax: 50, delayMsMax: 600_000 },
  input: z.object({ charge: z.string().min(1).max(200) }),
  output: z.object({ id: z.string() }),
  run: async ({ charge }, { idempotencyKey, signal }) => {
    const url = serviceUrl("PAYMENTS_URL");
    if (url === undefined) return sandbox().refund(charge, idempotencyKey);
    const path = `charges/${encodeURIComponent(charge)}/refunds`;
    const answer = await post(`${url}/${path}`, {}, idempotencyKey, signal);
    if ("declined" in answer) throw new FinalError(`Refund declined: ${answer.declined}`);
    return answer;
  },
});

const Answer = z.object({ id: z.string().min(1) });

/** @throws {FinalError} When the provider cannot take the request, which it will say again. */
async function post(
  url: string,
  body: object,
  key: string,
  signal: AbortSignal,
): Promise<{ id: string } | { declined: string }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  if (response.status === 402) return { declined: text.slice(0, 200) };
  if (response.ok) return Answer.parse(JSON.parse(text));
  const reason = `Payment provider answered ${response.status}: ${text.slice(0, 200)}`;
  const isTransient = response.status >= 500 || [408, 409, 425, 429].includes(response.status);
  throw isTransient ? new Error(reason) : new FinalError(reason);
}

let opened: SandboxProvider | undefined;

/** The sandbox, whose books are `payments.jsonl` in the data folder. */
function sandbox(): SandboxProvider {
  const path = standIn("payments.jsonl");
  if (opened?.path !== path) opened = new SandboxProvider(path);
  return opened;
}
