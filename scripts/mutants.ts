/**
 * Plants known bugs, one at a time, in a copy of the repository, and shows that the tests or the simulation
 * catch each.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { attempt, titleOf } from "./mutants/attempt.ts";
import { copyRepository } from "./mutants/copy.ts";
import { mutants } from "./mutants/list.ts";
import { type Catch, MisfitError, type Mutant, mutated } from "./mutants/mutant.ts";

const usage = `Usage: deno task mutants [--only NAME]... [--list] [--timeout 120]

  --only      this one; may be given more than once
  --list      prints their names, and what is tried to catch them, and checks that they fit
  --timeout   seconds for each run of tests or seeds, at the most`;

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const NAME_CHARS = 34;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      list: { type: "boolean", default: false },
      timeout: { type: "string", default: "120" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const chosen = mutants.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
  const unknown = values.only.filter((only) => !mutants.some(({ name }) => name === only));
  const timeoutMs = Number(values.timeout) * 1_000;
  if (unknown.length > 0 || !(timeoutMs > 0)) {
    console.error(`Cannot run: ${unknown.length > 0 ? `no mutant is named ${unknown}` : "no such timeout"}`);
    console.error(`\n${usage}`);
    return 2;
  }
  const misfits = chosen.flatMap(misfitOf);
  for (const misfit of misfits) console.error(misfit);
  if (misfits.length > 0) return 1;
  if (values.list) {
    for (const { name, promise, catches } of chosen) {
      console.log(`${name.padEnd(NAME_CHARS)} promise ${promise}, ${catches.map(titleOf).join("; ")}`);
    }
    return 0;
  }
  const copy = await copyRepository(root);
  try {
    return await tryAll(copy, chosen, timeoutMs);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** Why a mutant does not fit the code any more, if it does not. */
function misfitOf({ name, edits }: Mutant): string[] {
  try {
    mutated(edits, (file) => Deno.readTextFileSync(`${root}/${file}`));
    return [];
  } catch (error) {
    if (!(error instanceof MisfitError)) throw error;
    return [`Mutant ${name} no longer fits: ${error.message}`];
  }
}

async function tryAll(copy: string, chosen: readonly Mutant[], timeoutMs: number): Promise<number> {
  const healthy = await untouched(copy, chosen, timeoutMs);
  if (!healthy) return 1;
  const survivors: string[] = [];
  console.log(`\n${"mutant".padEnd(NAME_CHARS)} ${"seconds".padStart(7)}  caught by`);
  for (const mutant of chosen) {
    const startedAt = performance.now();
    const by = await caughtBy(copy, mutant, timeoutMs);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(`${mutant.name.padEnd(NAME_CHARS)} ${seconds.padStart(7)}  ${by ?? "NOTHING: it survives"}`);
    if (by === undefined) survivors.push(mutant.name);
  }
  console.log(`\n${chosen.length} mutants, ${chosen.length - survivors.length} caught.`);
  if (survivors.length > 0) console.error(`Survivors: ${survivors.join(", ")}`);
  return survivors.length > 0 ? 1 : 0;
}

/** What is to catch them must pass without them, or it shows nothing. @returns Whether it does. */
async function untouched(copy: string, chosen: readonly Mutant[], timeoutMs: number): Promise<boolean> {
  const catches = chosen.flatMap((mutant) => mutant.catches);
  const tests = [...new Set(catches.flatMap((what) => "tests" in what ? what.tests : []))];
  const seeds = Math.max(0, ...catches.map((what) => "seeds" in what ? what.seeds : 0));
  const all: Catch[] = [...(tests.length > 0 ? [{ tests }] : []), ...(seeds > 0 ? [{ seeds }] : [])];
  for (const what of all) {
    const startedAt = performance.now();
    // All of them at once: as long as a few of them each.
    const { outcome, by } = await attempt(copy, what, timeoutMs * 3);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    const title = "tests" in what ? `${tests.length} test files` : titleOf(what);
    if (outcome !== "passed") {
      console.error(`Without a mutant, ${title} should pass, and does not (${outcome}): ${by}`);
      return false;
    }
    console.log(`Without a mutant, ${title}: passed in ${seconds} s`);
  }
  return true;
}

/** @returns Undefined when the mutant survives. */
async function caughtBy(copy: string, mutant: Mutant, timeoutMs: number): Promise<string | undefined> {
  const healthy = new Map(mutant.edits.map(({ file }) => [file, Deno.readTextFileSync(`${copy}/${file}`)]));
  const files = mutated(mutant.edits, (file) => healthy.get(file) ?? "");
  for (const [file, text] of files) Deno.writeTextFileSync(`${copy}/${file}`, text);
  try {
    for (const what of mutant.catches) {
      const { outcome, by } = await attempt(copy, what, timeoutMs);
      if (outcome === "caught") return `${titleOf(what)}: ${by}`;
      if (outcome === "timeout" && mutant.hangs) return `${titleOf(what)}: does not end, ${by}`;
      // Something has gone wrong, but not so that it shows what.
      if (outcome !== "passed") console.error(`${mutant.name}: ${titleOf(what)}: ${outcome}: ${by}`);
    }
    return undefined;
  } finally {
    for (const [file, text] of healthy) Deno.writeTextFileSync(`${copy}/${file}`, text);
  }
}
