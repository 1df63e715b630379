/** @jsxImportSource hono/jsx */
import type { Context } from "hono";
import { createContext, useContext } from "hono/jsx";
import type { ServedRuntime } from "../http/app.ts";
import type { Alert } from "../runtime/observation.ts";
import type { Api } from "./api.ts";
import type { Samples } from "./samples.ts";
import type { Session } from "./session.ts";

/** What pages are made from. */
export interface Console {
  readonly runtime: ServedRuntime;
  readonly api: Api;
  readonly samples: Samples;
  /** Records what somebody did. */
  readonly record: (who: string, action: string, target: string, isDone: boolean) => Promise<void>;
}

/** What each request has: who asks, what was filled in, what fires. */
export type ConsoleEnv = { Variables: { session: Session; form: Form; alerts: readonly Alert[] } };
export type ConsoleContext = Context<ConsoleEnv>;
/** Fields of a posted form; of those with one name, the last. */
export type Form = Readonly<Record<string, string>>;

/** What the forms of a page send to show that they are its own. */
export const CsrfContext = createContext("");

/** The hidden field without which no form is taken. */
export function Csrf() {
  return <input type="hidden" name="csrf" value={useContext(CsrfContext)} />;
}
