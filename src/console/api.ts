import { z } from "zod";
import type { Issue } from "../core/errors.ts";

const Issues = z.array(z.object({ path: z.array(z.union([z.string(), z.number()])), message: z.string() }));

/** What the API said to an action of the console. */
export interface ApiAnswer {
  readonly isDone: boolean;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request to the HTTP API of this process, as any client would send it: what it refuses, the console refuses. */
export type Api = (method: string, path: string, body?: unknown) => Promise<ApiAnswer>;

/** @param fetch The API's app. */
export function createApi(
  fetch: (request: Request) => Response | Promise<Response>,
  token: string | undefined,
): Api {
  return async (method, path, body) => {
    const headers: Record<string, string> = { host: "localhost" };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(new Request(`http://localhost${path}`, init));
    const text = await response.text();
    return { isDone: response.ok, status: response.status, body: text === "" ? {} : JSON.parse(text) };
  };
}

/** Why something was not done. */
export interface Refusal {
  readonly status: number;
  /** Of the problem, where it is one of the API's. */
  readonly code?: string;
  /** A sentence or a few. */
  readonly reason: string;
  /** What does not fit, and where in what was sent. */
  readonly issues: readonly Issue[];
}

export function refusalOf({ status, body }: ApiAnswer): Refusal {
  const said = [body.detail ?? body.title ?? "Refused"];
  if (body.code !== undefined) said.push(`(${body.code})`);
  if (body.details !== undefined) said.push(JSON.stringify(body.details));
  const code = typeof body.code === "string" ? { code: body.code } : {};
  return { status, ...code, reason: said.join(" "), issues: Issues.safeParse(body.issues).data ?? [] };
}

/** All of a refusal, for where there are no fields to say it beside. */
export function textOf({ reason, issues }: Pick<Refusal, "reason" | "issues">): string {
  return [reason, ...issues.map(issueText)].join(" ");
}

export function issueText({ path, message }: Issue): string {
  return `${path.length === 0 ? "input" : path.join(".")}: ${message}.`;
}

/** A path with its parts encoded. */
export function pathOf(
  parts: readonly string[],
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  const path = parts.map((part) => `/${encodeURIComponent(part)}`).join("");
  return search.size > 0 ? `${path}?${search}` : path;
}
