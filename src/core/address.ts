/** Whose address a ref is, under names that no command can have. */
export const refType = Symbol("type");
export const refKey = Symbol("key");

/**
 * Which actor a ref is the address of.
 *
 * @param ref As an actor's or a saga's `ref` gives it.
 * @throws {TypeError} When it is none.
 */
export function addressOf(ref: object): { readonly type: string; readonly key: string } {
  if (refType in ref && refKey in ref) {
    const { [refType]: type, [refKey]: key } = ref;
    if (typeof type === "string" && typeof key === "string") return { type, key };
  }
  throw new TypeError(`Cannot tell whose address this is: it must be a ref, such as account.ref("ann")`);
}
