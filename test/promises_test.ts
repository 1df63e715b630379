import { expect, test } from "vitest";
import { mutants } from "../scripts/mutants/list.ts";

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

// Would catch a promise that nothing tests, and one of which nobody has shown that a test notices when it is broken.
test("each promise names tests, and bugs that break it are planted", () => {
  const text = Deno.readTextFileSync(new URL("docs/promises.md", root));
  const [, ...sections] = text.slice(0, text.indexOf("\n## Archives")).split(/^### /m);
  expect(sections.map((section) => section.slice(0, 2))).toEqual([..."123456789"].map((n) => `${n}.`));
  expect(sections.filter((section) => !/^- .*`test\/[\w/]+_test\.ts`/m.test(section))).toEqual([]);
  expect([...new Set(mutants.map(({ promise }) => promise))].sort()).toEqual(sections.map((_, n) => n + 1));
});

function exists(path: string): boolean {
  try {
    Deno.statSync(new URL(path, root));
    return true;
  } catch {
    return false;
  }
}
