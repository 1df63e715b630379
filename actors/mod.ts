import { account } from "./account.ts";
import { balances } from "./balances.ts";
import { booking } from "./booking.ts";
import { counter } from "./counter.ts";
import { checkFraud, createCustomer, notifyChannel } from "./customers.ts";
import { followUp } from "./follow_up.ts";
import { sendEmail, sendWelcomeEmail } from "./mail.ts";
import { chargeCard, refundCard } from "./payments.ts";
import { makeReport, report } from "./report.ts";
import { seat } from "./seat.ts";
import { transfer } from "./transfer.ts";
import { user } from "./user.ts";
import { onboarding, welcome } from "./welcome.ts";

/** The modules that `deno task start` runs. */
export default [
  ...[counter, account, balances, transfer],
  ...[user, onboarding, welcome, sendWelcomeEmail, checkFraud, createCustomer, notifyChannel],
  ...[seat, booking, chargeCard, refundCard],
  ...[report, makeReport],
  ...[followUp, sendEmail],
];
