import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  root: path(".."),
  resolve: {
    alias: [
      { find: /^folio\/testing$/, replacement: path("../src/testing/mod.ts") },
      { find: /^folio\/client$/, replacement: path("../src/client.ts") },
      { find: /^folio$/, replacement: path("../src/mod.ts") },
    ],
  },
  test: {
    include: ["test/**/*_test.ts"],
    globalSetup: [path("./support/data_folder.ts")],
    // Two cores: more workers than that only wait for each other.
    maxWorkers: 2,
    testTimeout: 30_000,
    reporters: ["default", path("./support/summary_reporter.ts")],
  },
});
