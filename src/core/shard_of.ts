/**
 * The shard that an actor lives in: FNV-1a (Fowler, Noll and Vo, 32 bits) of its name, modulo the number of
 * shards. It can never change for a store, which is why the number of shards cannot either.
 *
 * @param actor `type/key`.
 * @param shards How many there are.
 */
export function shardOf(actor: string, shards: number): number {
  if (shards === 1) return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < actor.length; i++) hash = Math.imul(hash ^ actor.charCodeAt(i), 0x01000193);
  // The low bits of FNV are weak for short names: fold the high ones in.
  return ((hash ^ (hash >>> 15)) >>> 0) % shards;
}
