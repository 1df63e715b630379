import { actor, command, type CommandRequest, StepError } from "folio";
import { z } from "zod";
import { World } from "../support/world.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";

const What = z.object({ what: z.string() });

/** Names of what fails for now: its turns throw, and so become dead letters in the end. */
export const broken = new Set<string>();

/** Does and takes back what it is told to, and records the order. */
export const desk = actor("desk", {
  initialState: () => ({ done: "" }),
  events: { Did: What, TookBack: What },
  evolve: {
    Did: ({ done }, { what }) => ({ done: `${done} ${what}`.trim() }),
    TookBack: ({ done }, { what }) => ({ done: `${done} -${what}`.trim() }),
  },
  rejections: { refused: What },
  commands: {
    do: command(What, (turn, { what }) => {
      if (broken.has(what)) throw new Error(`${what} is broken`);
      if (what.startsWith("refused")) turn.reject("refused", { what });
      turn.emit("Did", { what });
      return { what };
    }),
    back: command(What, (turn, { what }) => {
      if (broken.has(what)) throw new Error(`${what} is broken`);
      if (what.startsWith("firm")) turn.reject("refused", { what });
      turn.emit("TookBack", { what });
    }),
  },
});

/** Does something at the desk. */
export function doing(what: string): CommandRequest<{ what: string }> {
  return desk.ref("1").do({ what });
}

/** ... which is taken back later. */
export const undoable = { undo: ({ what }: { what: string }) => desk.ref("1").back({ what }) };

/** What was done and taken back at the desk, in order. */
export async function done(world: World): Promise<string> {
  const { state } = await world.runtime.state("desk", "1");
  return (state as { done: string }).done;
}

/** What a step's error says. */
export function told(error: unknown): string {
  return error instanceof StepError ? `${error.step}: ${error.code}` : String(error);
}

export async function startWorld(...modules: AnyModule[]): Promise<World> {
  broken.clear();
  return await World.start({ modules: [desk, ...modules] });
}
