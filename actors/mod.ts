import { account } from "./account.ts";
import { balances } from "./balances.ts";
import { counter } from "./counter.ts";
import { user } from "./user.ts";
import { onboarding, welcome } from "./welcome.ts";

/** The modules that `deno task start` runs. */
export default [counter, account, balances, user, onboarding, welcome];
