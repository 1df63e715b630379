import { FinalError } from "folio";

/** Where the outside world is, read each time so that a test may move it. */

/** The address of a service, or undefined where its stand-in is to be used. */
export function serviceUrl(name: "SMTP_URL" | "PAYMENTS_URL"): string | undefined {
  return Deno.env.get(name) || undefined;
}

/**
 * Path of a file or folder that stands in for a service, in the data folder.
 *
 * @throws {FinalError} When there is no data folder to put it in.
 */
export function standIn(name: string): string {
  const data = Deno.env.get("FOLIO_DATA") || "./data";
  if (data === ":memory:" || /^[a-z]{2,}:/i.test(data)) {
    throw new FinalError("FOLIO_DATA is no folder to stand in for a service: set SMTP_URL and PAYMENTS_URL");
  }
  Deno.mkdirSync(data, { recursive: true });
  return `${data}/${name}`;
}
