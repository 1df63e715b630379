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

/** Why the API refused, in a sentence or a few. */
export function refusalOf({ body }: ApiAnswer): string {
  const said = [body.detail ?? body.title ?? "Refused"];
  if (body.code !== undefined) said.push(`(${body.code})`);
  for (const issue of Array.isArray(body.issues) ? body.issues.slice(0, 20) : []) {
    const path = Array.isArray(issue.path) ? issue.path.join(".") : issue.path;
    said.push(`${path === "" || path === undefined ? "input" : path}: ${issue.message}.`);
  }
  if (body.details !== undefined) said.push(JSON.stringify(body.details));
  return said.join(" ");
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
