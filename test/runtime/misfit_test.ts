import { actor, command, type CommandRequest } from "folio";
import { given } from "folio/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { codeOf, World } from "../support/world.ts";

const Seats = z.object({ seats: z.array(z.string()).max(1) });
const box = actor("box", {
  initialState: () => ({}),
  events: { Sold: Seats },
  rejections: { taken: Seats },
  evolve: { Sold: (state) => state },
  commands: {
    emit: command(z.object({}), (turn) => turn.emit("Sold", { seats: ["A1", "A2"] })),
    reject: command(z.object({}), (turn) => void turn.reject("taken", { seats: ["A1", "A2"] })),
    reply: command(z.object({}), () => ({ seats: ["A1", "A2"] }), { reply: Seats }),
    send: command(
      z.object({}),
      (turn) => turn.send({ type: "box", key: "2", command: "sell", input: { seats: ["A1", "A2"] } }),
    ),
    sell: command(Seats, () => {}),
  },
});

// Would catch an author who is shown a list of zod's issues, and not of what; or of what, and not why.
test.each(
  [
    ["emit", "TypeError: Payload of Sold does not fit its schema: seats: Too big: "],
    ["reject", "TypeError: Details of taken does not fit its schema: seats: Too big: "],
    ["reply", "TypeError: Reply of reply does not fit its schema: seats: Too big: "],
    ["send", "FolioError: Input does not fit box/sell: seats: Too big: "],
  ] as const,
)("a turn whose %s does not fit says what, where and why", async (name, said) => {
  const world = await World.start({ modules: [box] });
  const request: CommandRequest = box.ref("1")[name]();
  expect(await codeOf(world.runtime.ask(request))).toBe("handler-failed");
  expect(world.logged.join()).toContain(said);
});

test("a test of a command that was given what does not fit says so, too", () => {
  expect(() => given(box, [["Sold", { seats: ["A1", "A2"] }]])).toThrow(
    "Given event 1 (Sold) does not fit its schema: seats: Too big: ",
  );
});
