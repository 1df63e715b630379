import { expect, test } from "vitest";
import { defaultLimits } from "../src/config.ts";

const root = new URL("./", import.meta.url);

function textsBelow(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const url = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) return textsBelow(url);
    return url.href !== import.meta.url && name.endsWith("_test.ts") ? [Deno.readTextFileSync(url)] : [];
  });
}

const words = new Set(textsBelow(root).flatMap((text) => text.match(/\w+/g) ?? []));

// Would catch a limit that no test has ever set: nobody would notice that it does nothing, or the wrong thing.
test.each(Object.keys(defaultLimits))("a test sets or reads the limit %s", (name) => {
  expect([...words]).toContain(name);
});

test("the check finds no name that is in no test", () => {
  expect(words.size).toBeGreaterThan(5_000);
  expect(words.has(["a", "Limit", "Nobody", "Has", "Max"].join(""))).toBe(false);
});
