import { activity } from "folio";
import { z } from "zod";
import { standIn } from "./settings.ts";

/** What else is done about a sign-up. These services are pretended; their limits are what real ones need. */

const SignedUp = z.object({ email: z.email(), name: z.string() });

/** Domains of addresses that nobody keeps. */
const throwaway = /@(.+\.)?(mailinator|guerrillamail|yopmail)\.[a-z]+$/i;

/** Says how much an address is to be trusted. */
export const checkFraud = activity("check-fraud", {
  input: SignedUp,
  output: z.object({ risk: z.enum(["low", "high"]) }),
  timeout: "5s",
  concurrency: 20,
  rateLimit: { limit: 500, per: "1s" },
  // deno-lint-ignore require-await -- as the call of a service would be
  run: async ({ email }) => ({ risk: throwaway.test(email) ? "high" as const : "low" as const }),
});

/** Makes a customer, one for each request: its number is made of the request's key. */
export const createCustomer = activity("create-customer", {
  input: SignedUp,
  output: z.object({ customer: z.string() }),
  timeout: "10s",
  circuitBreaker: { failuresMax: 10, halfOpenAfter: "10s" },
  // deno-lint-ignore require-await -- as the call of a service would be
  run: async (_, { idempotencyKey }) => ({ customer: `customer-${idempotencyKey}` }),
});

/** Tells a channel of people: a line in `channel.txt`. Better not told than told twice. */
export const notifyChannel = activity("notify-channel", {
  input: SignedUp,
  output: z.object({}),
  timeout: "5s",
  delivery: "at-most-once",
  run: async ({ name }) => {
    const line = `${JSON.stringify(name)} has signed up\n`;
    await Deno.writeTextFile(standIn("channel.txt"), line, { append: true });
    return {};
  },
});
