import { type Child, endChild, startChild } from "../support/child.ts";
import { findLoadGenerator, type Load, type LoadGenerator } from "./load_generator.ts";
import { inTemporaryFolder, medianBy } from "./measure.ts";
import { against, count, ms, percent, type Show } from "./table.ts";

const CONNECTIONS = [1, 64, 256];
const FLOOR = 0.3;
const FLOOR_CONNECTIONS = 64;

/** Commands over HTTP, each durable before its answer, against Hono that only parses and answers. */
export async function benchOverHttp(isQuick: boolean, show: Show): Promise<void> {
  const generator = await findLoadGenerator();
  await inTemporaryFolder(async (folder) => {
    const bare = startChild("scripts/bench/bare_server.ts");
    const real = startChild("src/main.ts", { env: { FOLIO_PORT: "0", FOLIO_DATA: folder } });
    try {
      const urls = { bare: await urlOf(bare), real: await urlOf(real) };
      show(
        `HTTP: bare Hono against the server, load from ${generator.name}, 1,000 actors, 1 shard`,
        [
          "connections",
          "bare req/s",
          "Folio req/s",
          "ratio",
          "bare p50 / p99",
          "Folio p50 / p99",
          "not 2xx",
          "floor",
        ],
        await measureAll(generator, urls, isQuick),
      );
    } finally {
      await Promise.all([bare, real].map(endChild));
    }
  });
}

async function measureAll(
  generator: LoadGenerator,
  urls: { bare: string; real: string },
  isQuick: boolean,
): Promise<string[][]> {
  const rounds = isQuick ? 1 : 3;
  const durationS = isQuick ? 2 : 3;
  // Warms both up, and every actor: 256 connections touch 1,000 keys many times over in this time.
  for (const url of [urls.bare, urls.real]) await generator.run(url, { connections: 256, durationS: 2 });
  const rows: string[][] = [];
  for (const connections of CONNECTIONS) {
    const bare: Load[] = [];
    const real: Load[] = [];
    // In turns, so that whatever else the machine does meets both.
    for (let round = 0; round < rounds; round++) {
      bare.push(await generator.run(urls.bare, { connections, durationS }));
      real.push(await generator.run(urls.real, { connections, durationS }));
    }
    rows.push(rowOf(connections, bare, real));
  }
  return rows;
}

function rowOf(connections: number, allBare: readonly Load[], allReal: readonly Load[]): string[] {
  const [bare, real] = [allBare, allReal].map((all) => medianBy(all, ({ perSecond }) => perSecond)) as [
    Load,
    Load,
  ];
  const ratio = real.perSecond / bare.perSecond;
  const failed = [...allBare, ...allReal].reduce((sum, load) => sum + load.failed, 0);
  return [
    String(connections),
    count(bare.perSecond),
    count(real.perSecond),
    percent(ratio),
    `${ms(bare.p50Ms)} / ${ms(bare.p99Ms)}`,
    `${ms(real.p50Ms)} / ${ms(real.p99Ms)}`,
    failed === 0 ? "none" : `${failed} (!)`,
    connections === FLOOR_CONNECTIONS ? against(ratio >= FLOOR, `at least ${percent(FLOOR)}`) : "",
  ];
}

async function urlOf(child: Child): Promise<string> {
  const line = await child.lineWith("url");
  if (!line) throw new Error("Server ended before it was ready");
  return String(line.url);
}
