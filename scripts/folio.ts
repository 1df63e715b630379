/**
 * Folio's command line: `deno task folio`. What each command does is in its file in `folio/`.
 *
 * @module
 */
import { runFolio } from "./folio/program.ts";
import { realTerminal } from "./support/terminal.ts";

Deno.exit(await runFolio(Deno.args, realTerminal));
