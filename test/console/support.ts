import { afterAll, onTestFinished } from "vitest";
import type { Hono } from "hono";
import { createConsole } from "../../src/mod.ts";
import type { Act } from "../../src/core/audit.ts";
import type { ConsoleEnv } from "../../src/console/context.tsx";
import { serve, type Served, type ServeOptions } from "../http/support.ts";

export const TOKEN = "a-token-of-the-test";

/** A page, read. */
export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
}

/** A browser of sorts: keeps cookies, and sends forms with what they hold. */
export class Visitor {
  readonly #cookies = new Map<string, string>();

  constructor(readonly served: Served, readonly app: Hono<ConsoleEnv>) {}

  async get(path: string, headers: Record<string, string> = {}): Promise<Page> {
    return await this.#read(
      await this.app.request(`http://localhost${path}`, { headers: this.#headers(headers) }),
    );
  }

  /** Sends a form of a page, to where it goes, and follows to where that leads. */
  async submit(page: Page, action: string, fields: Record<string, string> = {}): Promise<Page> {
    const form = formsOf(page.html).find((each) => each.action === action);
    if (!form) throw new Error(`No form to ${action} in:\n${page.html}`);
    const answer = await this.post(action, { ...form.fields, ...fields });
    const location = answer.headers.get("location");
    return answer.status === 303 && location ? await this.get(location) : answer;
  }

  async post(
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string> = { "sec-fetch-site": "same-origin" },
  ): Promise<Page> {
    return await this.#read(
      await this.app.request(`http://localhost${path}`, {
        method: "POST",
        headers: this.#headers(headers),
        body: new URLSearchParams(fields),
      }),
    );
  }

  async signIn(who = "Ada"): Promise<void> {
    await this.post("/console/sign-in", { who, token: TOKEN, next: "/console" });
  }

  /** The token that a form has to have. */
  async csrf(): Promise<string> {
    return formsOf((await this.get("/console")).html)[0]?.fields.csrf ?? "";
  }

  #headers(headers: Record<string, string>): Record<string, string> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return { ...headers, ...(cookie === "" ? {} : { cookie }) };
  }

  async #read(response: Response): Promise<Page> {
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === "") this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return { status: response.status, headers: response.headers, html: await response.text() };
  }
}

/** The console of a runtime in memory and on virtual time, and a visitor who has signed in. */
export async function visit(options: ServeOptions & { signsIn?: boolean } = {}): Promise<Visitor> {
  const served = await serve({ token: TOKEN, ...options });
  const app = createConsole(served.runtime, { token: TOKEN, api: served.app });
  (options.onEnd ?? onTestFinished)(() => Promise.resolve(served.runtime.draining.emit()));
  const visitor = new Visitor(served, app);
  if (options.signsIn ?? true) await visitor.signIn();
  return visitor;
}

/** Something that all tests of a file share: made for the first that asks, ended after the last. */
export function shared<T>(make: (onEnd: NonNullable<ServeOptions["onEnd"]>) => Promise<T>): () => Promise<T> {
  const ends: (() => Promise<void>)[] = [];
  let made: Promise<T> | undefined;
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });
  return () => made ??= make((end) => void ends.push(end));
}

interface FormOnPage {
  readonly action: string;
  readonly fields: Record<string, string>;
}

/** Forms that are posted, with the fields that have a value. */
export function formsOf(html: string): FormOnPage[] {
  return [...html.matchAll(/<form method="post" action="([^"]*)"[^>]*>(.*?)<\/form>/gs)].map((match) => {
    const [, action = "", inner = ""] = match;
    const fields: Record<string, string> = {};
    for (
      const [, name = "", value = ""] of inner.matchAll(/<input [^>]*?name="([^"]*)"[^>]*? value="([^"]*)"/g)
    ) {
      fields[name] = textOf(value);
    }
    for (
      const [, name = "", value = ""] of inner.matchAll(/<textarea name="([^"]*)"[^>]*>(.*?)<\/textarea>/gs)
    ) {
      fields[name] = textOf(value);
    }
    return { action: textOf(action), fields };
  });
}

/** HTML without its escapes. */
export function textOf(html: string): string {
  return html.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll(
    "&gt;",
    ">",
  )
    .replaceAll("&amp;", "&");
}

/** What the audit has recorded, the oldest first. */
export async function actsOf({ served: { runtime } }: Visitor): Promise<Act[]> {
  const { events } = await runtime.stream("console-audit", "console", { after: 0, limit: 1_000 });
  return events.map(({ payload }) => payload as Act);
}
