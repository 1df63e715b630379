import type { Mutant } from "./mutant.ts";

const archive = "src/store/archive.ts";
const archiver = "src/processors/archiver.ts";
const events = "src/store/events.ts";

/** Bugs in the way of closed actors' events into the archive, and in reading them there. */
export const archiveMutants: readonly Mutant[] = [
  {
    name: "archive-deletes-before-copy",
    promise: 3,
    edits: [{
      file: archiver,
      from: "      await copyToArchive(shard.store.database, rows);\n      await shard.archive(rows);\n",
      to: "      await shard.archive(rows);\n      await copyToArchive(shard.store.database, rows);\n",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    // A crash leaves one file written and the other not.
    name: "archive-in-one-transaction",
    promise: 3,
    edits: [
      { file: archiver, from: "      await copyToArchive(shard.store.database, rows);\n", to: "" },
      {
        file: archive,
        from: "  return [\n    {\n      sql: `INSERT INTO archived SELECT",
        to: "  return [\n    {\n" +
          '      sql: `INSERT OR IGNORE INTO archive.events SELECT ${columnsOf("e")}\n' +
          "        FROM json_each(?) AS wanted CROSS JOIN main.events AS e\n" +
          "        ON e.actor = wanted.value ->> 0 AND e.version <= wanted.value ->> 1`,\n" +
          "      args,\n    },\n    {\n      sql: `INSERT INTO archived SELECT",
      },
    ],
    catches: [{ seeds: 300 }],
  },
  {
    name: "archive-takes-newest-event",
    promise: 7,
    edits: [{
      file: archive,
      from: "const isNotNewest = `position < (",
      to: "const isNotNewest = `position <= (",
    }],
    catches: [{ seeds: 100 }],
  },
  {
    name: "copies-seen-before-move",
    promise: 7,
    edits: [{
      file: archive,
      from: "archive.events AS a\n        WHERE a.version <=",
      to: "archive.events AS a\n        WHERE a.version IS NOT NULL OR a.version <=",
    }],
    catches: [{ seeds: 300 }],
  },
  {
    name: "actor-loaded-without-archive",
    promise: 3,
    edits: [{
      file: events,
      from: "const archived = hasArchive\n",
      to: "const archived = hasArchive && !columns\n",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    name: "rebuild-without-archive",
    promise: 8,
    edits: [{
      file: events,
      from: "`SELECT ${columns} FROM events WHERE ${where}`",
      to: '`SELECT ${columns} FROM ${order === "position" ? "main." : ""}events WHERE ${where}`',
    }],
    catches: [{ seeds: 40 }],
  },
];
