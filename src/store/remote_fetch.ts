import { DatabaseError } from "./database.ts";

/** A server that has not answered after so long is given up; whether it did what was asked is not known. */
export const answerMsMax = 30_000;

/**
 * How the client for servers asks them: with an end to its waiting, and with errors that say what to mend.
 * Answers are read whole here, so that one that breaks off is told as such.
 *
 * @param timeoutMs For the whole answer.
 */
export function remoteFetch(timeoutMs: number = answerMsMax): (request: Request) => Promise<Response> {
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
