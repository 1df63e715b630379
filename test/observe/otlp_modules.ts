/** What the server of `otlp_test.ts` runs. */
import { ledger, sender } from "../support/actors.ts";

export default [sender, ledger];
