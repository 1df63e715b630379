import { printable, ScriptError, UsageError } from "../support/script.ts";

/** Asks a server, and gives the body of its answer. @throws {ScriptError} */
export type Call = <T>(method: string, path: string) => Promise<T>;

/** @throws {UsageError} When the URL is none. */
export function callerOf(url: string): Call {
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new UsageError(`Cannot use --url ${url}: it is no URL`);
  }
  const token = Deno.env.get("FOLIO_TOKEN");
  return async <T>(method: string, path: string): Promise<T> => {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    let response: Response;
    try {
      response = await fetch(`${url.replace(/\/+$/, "")}${path}`, { method, headers });
    } catch (error) {
      throw new ScriptError(`Cannot reach ${url}: ${error instanceof Error ? error.message : error}`);
    }
    const body = await response.json().catch(() => undefined);
    if (response.ok && body !== undefined) return body as T;
    const reason = body?.detail ?? "it is no answer of Folio";
    throw new ScriptError(`Cannot ${method} ${path}: ${response.status}, ${printable(String(reason))}`);
  };
}
