import { DatabaseError } from "./database.ts";

/**
 * How the client for servers asks them: with an end to its waiting, and with errors that say what to mend.
 * Answers are read whole here, so that one that breaks off is told as such. After any of these errors it is not
 * known whether the server did what was asked; and where a connection that was used before is reset, `fetch`
 * asks once more by itself, so that a request may arrive twice. Whatever is written has to bear that.
 *
 * @param timeoutMs For the whole answer.
 */
export function remoteFetch(timeoutMs = 30_000): (request: Request) => Promise<Response> {
  return async (request) => {
    const { origin } = new URL(request.url);
    let response: Response;
    let body: ArrayBuffer;
    try {
      response = await fetch(request, { signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
      body = await response.arrayBuffer();
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError") {
        throw new DatabaseError(`${origin} did not answer within ${timeoutMs} ms`, "TIMEOUT", {
          cause: error,
        });
      }
      throw new DatabaseError(`Cannot reach ${origin}: ${reasonOf(error)}`, "UNREACHABLE", { cause: error });
    }
    const { status } = response;
    if (status === 401 || status === 403) {
      throw new DatabaseError(`${origin} refuses the token (HTTP ${status})`, "UNAUTHORIZED");
    }
    if (status === 404) {
      throw new DatabaseError(`${origin} has no libSQL database there (HTTP 404)`, "NO_DATABASE");
    }
    return new Response(body, { status, headers: response.headers });
  };
}

/** The innermost reason: the outer ones only say that a request was sent. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  return reason instanceof Error ? reason.message : String(reason);
}
