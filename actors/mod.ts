import { account } from "./account.ts";
import { counter } from "./counter.ts";

/** The modules that `deno task start` runs. */
export default [counter, account];
