import { FolioError } from "./errors.ts";

/**
 * Positions reached in each shard concerned, by shard number. As text it is a consistency token: opaque to
 * clients, e.g. `0.1042` or `0.1042_3.77`.
 */
export type Positions = ReadonlyMap<number, number>;

export function formatToken(positions: Positions): string {
  return [...positions].map(([shard, position]) => `${shard}.${position}`).join("_");
}

/** @throws {FolioError} `malformed` when `text` is no token of a store with so many shards. */
export function parseToken(text: string, shards: number): Map<number, number> {
  const positions = new Map<number, number>();
  if (text === "") return positions;
  for (const part of text.split("_", shards + 1)) {
    const match = /^(\d{1,3})\.(\d{1,15})$/.exec(part);
    const shard = Number(match?.[1]);
    if (!match || shard >= shards || positions.has(shard)) {
      throw new FolioError("malformed", "Cannot read the consistency token: it was not made by this store", {
        name: "token",
      });
    }
    positions.set(shard, Number(match[2]));
  }
  return positions;
}
