/** How much of something a show has: `deno task shows` runs them whole, the suite smaller. */
export function fullCount(inSuite: number, whole: number): number {
  return Deno.env.get("FOLIO_SHOWS") === "whole" ? whole : inSuite;
}
