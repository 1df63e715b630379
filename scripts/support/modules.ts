import { pathToFileURL } from "node:url";
import { webhook } from "../../src/core/webhook.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { ScriptError } from "./errors.ts";

/**
 * Loads the modules that the default export of a file lists.
 *
 * @throws {ScriptError} When it cannot be loaded, or lists something else.
 */
export async function loadRegistry(path: string): Promise<Registry> {
  try {
    const url = /^[a-z][a-z0-9+.-]+:/i.test(path) ? path : pathToFileURL(path).href;
    const { default: modules } = await import(url);
    if (!Array.isArray(modules)) throw new TypeError("its default export is no list of modules");
    return new Registry(modules, [webhook]);
  } catch (error) {
    // The text of a syntax error goes on with the source.
    const reason = (error instanceof Error ? error.message : String(error)).split("\n", 1)[0];
    throw new ScriptError(`Cannot load the modules ${path}: ${reason}`, { cause: error });
  }
}
