import { expect, test } from "vitest";

const root = new URL("../", import.meta.url);

// Would catch a promise whose test has been renamed or taken away.
test("every test and task that docs/promises.md names is there", () => {
  const text = Deno.readTextFileSync(new URL("docs/promises.md", root));
  const paths = [...text.matchAll(/`(test\/[\w/.]+)`/g)].map(([, path]) => String(path));
  expect(paths.length).toBeGreaterThan(30);
  const missing = paths.filter((path) => !exists(path));
  expect(missing).toEqual([]);
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  const named = [...text.matchAll(/`(?:\w+=\w+ )?deno task (\w+)/g)].map(([, task]) => task);
  expect(Object.keys(tasks)).toEqual(expect.arrayContaining(named));
});

function exists(path: string): boolean {
  try {
    Deno.statSync(new URL(path, root));
    return true;
  } catch {
    return false;
  }
}
