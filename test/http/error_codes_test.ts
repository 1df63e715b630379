import { expect, test } from "vitest";
import { Registry } from "../../src/runtime/registry.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import { openApiDocument } from "../../src/http/openapi.ts";
import { problemStatuses, saysWhenToRetry } from "../../src/http/problem.ts";

const page = Deno.readTextFileSync(new URL("../../docs/errors.md", import.meta.url));

// Would catch a code that is new, gone, or has another status than the page says.
test("docs/errors.md has every code once, with its status and whether it says when to come again", () => {
  const rows = [...page.matchAll(/^\| (\d{3}) +\| `([a-z-]+)` +\|.*\| (yes)? *\|$/gm)];
  const told = rows.map(([, status, code, retry]) => [code, Number(status), retry === "yes"]);
  const real = [...problemStatuses].map((
    [code, status],
  ) => [code, status, saysWhenToRetry(code as ErrorCode)]);
  expect(told.sort()).toEqual(real.sort());
});

test("openapi.json names every code, with the response of its status", () => {
  const { components } = openApiDocument(new Registry([])) as unknown as {
    components: { responses: Record<string, { description: string }> };
  };
  for (const [code, status] of problemStatuses) {
    expect(components.responses[`Problem${status}`]?.description, code).toContain(`\`${code}\``);
  }
});
