import { given } from "folio/testing";
import { test } from "vitest";
import { account } from "../../actors/account.ts";
import { transfer } from "../../actors/transfer.ts";

const ann = account.ref("ann");
const bob = account.ref("bob");
const start = () => given(transfer, { from: "ann", to: "bob", amount: 5 }, { modules: [account] });
const withdrawn = () => start().asks("withdraw", ann.withdraw({ amount: 5 }), { replies: { balance: 1 } });

test("withdraws, and then deposits", async () => {
  await withdrawn().asks("deposit", bob.deposit({ amount: 5 }), { replies: { balance: 5 } })
    .completes({ transferred: 5 });
});

test("what cannot be withdrawn is not deposited, and nothing is given back", async () => {
  await start()
    .asks("withdraw", ann.withdraw({ amount: 5 }), { rejects: "insufficient-funds", details: { balance: 4 } })
    .fails("insufficient-funds", { balance: 4 });
});

test("what cannot be deposited is given back", async () => {
  await withdrawn().asks("deposit", bob.deposit({ amount: 5 }), { rejects: "account-closed" })
    .undoes("withdraw", ann.deposit({ amount: 5 }))
    .fails("account-closed");
});

test("money that cannot be given back leaves it stuck, for somebody to see to", async () => {
  await withdrawn().asks("deposit", bob.deposit({ amount: 5 }), { rejects: "not-open" })
    .undoes("withdraw", ann.deposit({ amount: 5 }), { dies: "no answer" })
    .ends("stuck");
});

// Would catch a cancellation that gives back what is not known to have been taken.
test("cancelled while it withdraws, it waits to know whether it has, and gives back what it has", async () => {
  await start().cancelled()
    .asks("withdraw", ann.withdraw({ amount: 5 }), { replies: { balance: 1 } })
    .undoes("withdraw", ann.deposit({ amount: 5 }))
    .ends("cancelled");
  await start().cancelled()
    .asks("withdraw", ann.withdraw({ amount: 5 }), { rejects: "insufficient-funds" })
    .ends("cancelled");
});
