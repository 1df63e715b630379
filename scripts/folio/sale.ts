import { Command, Option } from "@commander-js/extra-typings";
import { runSale } from "../sale/run.ts";
import { withChildren } from "../support/child.ts";
import { FoundWrongError } from "../support/errors.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption, wholeFrom1 } from "./options.ts";
import { examples } from "./wording.ts";

/** A flash sale over HTTP. */
export function sale(terminal: Terminal) {
  return new Command("sale")
    .description(
      "A flash sale over HTTP: more orders than can be handled come for few items. Exit code 1 unless each is answered, " +
        "exactly as many are sold as there are, and overload is answered with 429 and when to come again.",
    )
    .addOption(new Option("--orders <n>", "orders").argParser(wholeFrom1).default(50_000))
    .addOption(new Option("--items <n>", "of what is sold").argParser(wholeFrom1).default(1_000))
    .addOption(new Option("--within <seconds>", "in which they come").argParser(wholeFrom1).default(5))
    .addOption(jsonOption("a line of JSON: counts, and checks by what they say"))
    .addHelpText("after", examples("sale", "sale --orders 5000 --items 100"))
    .action(async ({ orders, items, within, json }) => {
      const { heardSeconds, seconds, sold, soldOut, refusals, odd, depth, checks } = await withChildren(() =>
        runSale({ orders, items, withinSeconds: within })
      );
      if (json) {
        const counts = {
          orders,
          items,
          within,
          heardSeconds,
          seconds,
          sold,
          soldOut,
          refusals,
          odd: Object.fromEntries(odd),
          depth,
        };
        terminal.print(JSON.stringify({ ...counts, checks: Object.fromEntries(checks) }));
      } else {
        terminal.print(`${orders} orders for ${items} items came within ${within} s`);
        terminal.print(
          `each was heard within ${heardSeconds.toFixed(1)} s, and answered for good within ${
            seconds.toFixed(1)
          } s`,
        );
        terminal.print(`sold ${sold}, sold out ${soldOut}, told to come again ${refusals}`);
        terminal.print(`queue: ${depth.most} at the most, ${depth.last} in the end`);
        for (const [what, holds] of checks) terminal.print(`${holds ? "yes" : "NO "}  ${what}`);
        for (const [what, count] of odd) terminal.print(`     ${count} times ${what}`);
      }
      if (!checks.every(([, holds]) => holds)) throw new FoundWrongError();
    });
}
