import { account } from "./account.ts";
import { balances } from "./balances.ts";
import { counter } from "./counter.ts";
import { checkFraud, createCustomer, notifyChannel } from "./customers.ts";
import { sendEmail, sendWelcomeEmail } from "./mail.ts";
import { chargeCard, refundCard } from "./payments.ts";
import { makeReport, report } from "./report.ts";
import { seat } from "./seat.ts";
import { user } from "./user.ts";
import { onboarding, welcome } from "./welcome.ts";

/** The modules that `deno task start` runs. */
export default [
  ...[counter, account, balances],
  ...[user, onboarding, welcome, sendWelcomeEmail, checkFraud, createCustomer, notifyChannel],
  ...[seat, chargeCard, refundCard],
  ...[report, makeReport],
  ...[sendEmail],
];
