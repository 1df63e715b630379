import type { Argument, CommanderError, CommandUnknownOpts } from "@commander-js/extra-typings";
import { UsageError } from "../support/errors.ts";

/** How the command line is spoken of: in help, and where it is refused. */

/** `ACTOR`, or `[ACTOR]` where it may be left out. */
export function argumentTerm(argument: Argument): string {
  const term = argument.name().toUpperCase() + (argument.variadic ? "..." : "");
  return argument.required ? term : `[${term}]`;
}

/** The line under which help tells what may be given. */
export function usageOf(command: CommandUnknownOpts): string {
  const words = command.commands.length > 0 ? ["COMMAND"] : command.registeredArguments.map(argumentTerm);
  return [...namesOf(command), ...words, "[options]"].join(" ");
}

/** Examples for the end of a command's help. @param lines What follows `deno task folio`. */
export function examples(...lines: string[]): string {
  return `\n${lines.length > 1 ? "Examples" : "Example"}:\n${
    lines.map((line) => `  deno task folio ${line}`).join("\n")
  }`;
}

/** What commander has to say, in our words; help that was asked for stays as it is. */
export function refusalOf(command: CommandUnknownOpts, error: CommanderError): Error {
  if (error.code === "commander.helpDisplayed") return error;
  return new UsageError(textOf(command, error), { cause: error });
}

function textOf(command: CommandUnknownOpts, { code, message }: CommanderError): string {
  const what = `Cannot run ${namesOf(command).slice(1).join(" ") || "folio"}`;
  const { registeredArguments, args } = command;
  // Options are of the commands below it: one is told of only once it is known which.
  const lacksVerb = command.commands.length > 0 && command.parent && code === "commander.unknownOption";
  switch (lacksVerb ? "commander.help" : code) {
    case "commander.help":
      return `Cannot tell what to do: say ${listed(command.commands.map((each) => each.name()))}`;
    case "commander.missingArgument":
      return `${what}: name one ${nounOf(registeredArguments[args.length])}`;
    case "commander.excessArguments": {
      const [only, ...others] = registeredArguments;
      if (!only) return `${what}: nothing is known of "${args[0]}"`;
      if (others.length > 0) {
        return `${what}: it takes no more than ${registeredArguments.map(argumentTerm).join(" ")}`;
      }
      return `${what}: name one ${nounOf(only)}${only.required ? "" : " at the most"}`;
    }
    case "commander.invalidArgument":
      return message
        .replace(
          /^error: option '(?:-\w, )?(--[\w-]+)[^']*' argument '([^]*)' is invalid\. /,
          "Cannot use $1 $2: ",
        )
        .replace(
          /^error: command-argument value '([^]*)' is invalid for argument '[^']*'\. /,
          `${what} $1: `,
        );
    default:
      return `${what}: ${
        message.replace(/^error: /, "").replace(/\n\((.*)\)$/, ", $1").replace(", Did", "; did")
      }`;
  }
}

/** What an argument is, which its description begins with: `actor: type/key`. */
function nounOf(argument: Argument | undefined): string {
  return argument?.description.split(":", 1)[0] ?? "thing";
}

/** `deno task folio`, and the command's own names. */
function namesOf(command: CommandUnknownOpts): string[] {
  return command.parent ? [...namesOf(command.parent), command.name()] : [command.name()];
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
