import { account } from "./account.ts";
import { balances } from "./balances.ts";
import { counter } from "./counter.ts";

/** The modules that `deno task start` runs. */
export default [counter, account, balances];
