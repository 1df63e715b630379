import type { Gate } from "./gate.ts";
import type { History } from "./history.ts";
import type { Acknowledgement, Answer, Command, Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { beginSaga, sendCommand, sendMismatch } from "./requests.ts";
import type { Violations } from "./violations.ts";

/** What all senders share. */
export interface Field {
  readonly gate: Gate;
  readonly ledger: Ledger;
  readonly history: History;
  readonly violations: Violations;
  readonly random: Random;
}

/** What a saga is begun with. */
export interface SagaInput {
  readonly isWanted: boolean;
  readonly [name: string]: unknown;
}

/** Senders of one run; the tags of their commands tell them apart. */
export const SENDERS_MAX = 32;
const IN_PROGRESS_MAX = 1_000;

/** Sends one command after the other until the gate ends. */
export abstract class Sender {
  #place = 0;

  constructor(protected readonly field: Field, protected readonly index: number) {}

  /** One command, or several at once, up to the last answer. */
  protected abstract step(): Promise<void>;

  async run(): Promise<void> {
    while (await this.field.gate.url() !== undefined) {
      try {
        await this.step();
      } catch (error) {
        this.field.violations.add(`Sender ${this.index}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  /** A number that no other command has, greater than all that this sender has taken before. */
  protected nextTag(): number {
    return ++this.#place * SENDERS_MAX + this.index;
  }

  protected order(tag: number): Command["order"] {
    return { sender: `sender ${this.index}`, place: tag };
  }

  /**
   * Sends a command until its fate is known: through kills where it has a key, and so may be sent again;
   * otherwise once.
   */
  protected async deliver(command: Command): Promise<void> {
    const { ledger, gate, violations } = this.field;
    ledger.send(command);
    for (let inProgress = 0; inProgress < IN_PROGRESS_MAX;) {
      const url = await gate.url();
      if (url === undefined) return;
      const isTwice = command.key !== undefined && this.field.random.chance(0.05);
      const answers = await Promise.all([
        sendCommand(url, command),
        ...isTwice ? [sendCommand(url, command)] : [],
      ]);
      const known = answers.filter(isAcknowledgement);
      this.#checkSame(command, known);
      const [answer] = known;
      if (answer) {
        ledger.acknowledge(command, answer, this.field.history.event(command.mark) !== undefined);
        return await this.#repeat(url, command, answer);
      }
      if (answers.some(({ kind }) => kind === "refused")) return ledger.deny(command);
      if (answers.some(({ kind }) => kind === "unknown")) {
        ledger.lose(command);
        if (command.key === undefined) return;
      } else inProgress++;
    }
    violations.add(`Still in progress after ${IN_PROGRESS_MAX} attempts: ${command.mark}`);
  }

  /** Begins a saga: its id keeps it one, so it is sent until it is accepted. */
  protected async begin(id: string, input: SagaInput): Promise<void> {
    const { gate, history, random } = this.field;
    history.moves.send(id, input.isWanted);
    let left = random.chance(0.1) ? 2 : 1;
    for (let url = await gate.url(); url !== undefined && left > 0; url = await gate.url()) {
      if (!await beginSaga(`${url}/sagas/move/${id}`, input)) continue;
      history.moves.accepted(id);
      left--;
    }
  }

  /** Sends again, now and then, what has been acknowledged: the answer must be the stored one. */
  async #repeat(url: string, command: Command, first: Acknowledgement): Promise<void> {
    const { random, violations } = this.field;
    if (command.key === undefined) return;
    if (random.chance(0.1)) await checkRepeated(url, command, first, this.field);
    if (random.chance(0.02)) {
      const status = await sendMismatch(url, command);
      if (status !== undefined && status !== 422) {
        violations.add(`Key of ${command.mark} with other content was answered ${status}, not 422`);
      }
    }
  }

  #checkSame(command: Command, answers: readonly Acknowledgement[]): void {
    const [first, second] = answers;
    if (first && second && first.text !== second.text) {
      this.field.violations.add(`${command.mark} was answered ${first.text} and ${second.text}`);
    }
  }
}

/** Sends an acknowledged command again and compares the answers. */
export async function checkRepeated(
  url: string,
  command: Command,
  first: Acknowledgement,
  { ledger, violations }: Pick<Field, "ledger" | "violations">,
): Promise<void> {
  const again = await sendCommand(url, command);
  ledger.repeated++;
  if (isAcknowledgement(again) && again.text !== first.text) {
    violations.add(`${command.mark} was answered ${first.text}, and when repeated ${again.text}`);
  }
  if (again.kind === "refused" || again.kind === "in-progress") {
    violations.add(`${command.mark} was acknowledged, and when repeated it is ${again.kind}`);
  }
}

function isAcknowledgement(answer: Answer): answer is Acknowledgement {
  return answer.kind === "done" || answer.kind === "accepted" || answer.kind === "rejected";
}
