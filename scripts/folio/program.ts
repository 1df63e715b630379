import { Command, CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { expectedText, FoundWrongError, UsageError } from "../support/errors.ts";
import { printable } from "../support/printable.ts";
import type { Terminal } from "../support/terminal.ts";
import { type CommandEntry, groups } from "./commands.ts";
import { argumentTerm, refusalOf, usageOf } from "./wording.ts";
import { hasAllPermissions, runWithAllPermissions } from "./permissions.ts";

/** Characters of a line of help where nobody knows the width of the terminal. */
const HELP_CHARS = 110;

const about = `Looks into Folio's books, and keeps them, in a folder or on a running server.

Commands that look work on a folder (--data, FOLIO_DATA, or ./data), also while a server runs on it, or on a
server (--url), with the token in FOLIO_TOKEN where it wants one. Each tells more with --help.`;

const after = `
Exit code 0: done, and all is well; 1: it failed, or something is wrong; 2: the command line is at fault.

Examples:
  deno task folio inspect account/alice
  deno task folio dead-letters list --url http://127.0.0.1:8000
  deno task folio events --type Withdrawn --json
  deno task folio help events`;

/**
 * Runs one command line. What an operator can mend is said in one line; anything else is a bug, and keeps its
 * stack.
 *
 * @param args As in `Deno.args`.
 * @returns The exit code.
 */
export async function runFolio(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const [first, ...rest] = args;
    if (first === "help") return await runFolio([...rest.slice(0, 1), "--help"], terminal);
    const entries = Object.values(groups).flat();
    const wanted = entries.find(({ name }) => name === first);
    if (wanted?.needsAll && !hasAllPermissions()) return await runWithAllPermissions(args);
    const program = await makeProgram(wanted, terminal);
    if (first === undefined) {
      terminal.note(`${program.helpInformation().trimEnd()}\n${after}`);
      return 2;
    }
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    return tell(error, terminal);
  }
}

/** @param wanted The command that is loaded; of the others only the summary is known. */
async function makeProgram(wanted: CommandEntry | undefined, terminal: Terminal): Promise<Command> {
  const program = new Command("deno task folio").description(about).addHelpText("after", after);
  for (const [heading, entries] of Object.entries(groups)) {
    program.commandsGroup(heading);
    for (const entry of entries) {
      if (entry === wanted) program.addCommand((await entry.load())(terminal).summary(entry.summary));
      else program.command(entry.name).summary(entry.summary);
    }
  }
  prepare(program, terminal);
  return program;
}

/** Makes a command, and those below it, print and fail as all of them do. */
function prepare(command: CommandUnknownOpts, terminal: Terminal): void {
  command
    // Help is wrapped to the terminal: lines of the source that are no list are one.
    .description(command.description().replace(/(\S)\n(?=\S)/g, "$1 "))
    .helpCommand(false)
    .helpOption("-h, --help", "says this")
    .exitOverride((error) => {
      throw refusalOf(command, error);
    })
    .configureHelp({
      commandUsage: usageOf,
      argumentTerm,
      subcommandTerm: (each) => [each.name(), ...each.registeredArguments.map(argumentTerm)].join(" "),
    })
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      // Errors are told once, below, and in our words.
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => terminal.columns ?? HELP_CHARS,
      getErrHelpWidth: () => terminal.columns ?? HELP_CHARS,
      // It would look into variables of the environment that this program is not allowed to see.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const below of command.commands) prepare(below, terminal);
}

function tell(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode; // of help
  if (error instanceof FoundWrongError) return 1;
  if (error instanceof UsageError) {
    terminal.note(printable(error.message));
    terminal.note("(--help says more)");
    return 2;
  }
  const text = expectedText(error);
  if (text !== undefined) terminal.note(printable(text));
  else terminal.note(error instanceof Error ? error.stack ?? error.message : String(error));
  return 1;
}
