import type { Runtime } from "../runtime/runtime.ts";
import type { SagaSummary } from "../runtime/sagas.ts";

/** What instances can be listed by. */
export const sagaStatusNames = [
  "running",
  "compensating",
  "stuck",
  "completed",
  "failed",
  "cancelled",
  "timed-out",
] as const satisfies readonly SagaSummary["status"][];

/** Which instances are asked for. */
export interface SagaListQuery {
  readonly name?: string | undefined;
  readonly status?: SagaSummary["status"] | undefined;
  /** `saga/id`: only those behind it. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** One page of them. */
export interface SagaList {
  readonly sagas: SagaSummary[];
  /** `after` of the next page; undefined on the last one. */
  readonly next?: string;
  readonly hasMore: boolean;
}

/** The part of a runtime that knows of sagas. */
export interface SagaSource {
  readonly registry: Pick<Runtime["registry"], "sagas">;
  readonly sagas: Pick<Runtime["sagas"], "definition" | "list">;
}

/**
 * One page of instances, saga by saga, in the order of their ids.
 *
 * @throws {FolioError} `unknown-saga`.
 */
export async function listSagas(
  { registry, sagas }: SagaSource,
  { name, status, after, limit }: SagaListQuery,
): Promise<SagaList> {
  const names = name === undefined ? [...registry.sagas.keys()].sort() : [sagas.definition(name).name];
  const [, afterName = "", afterId] = /^([^/]*)\/?(.*)$/s.exec(after ?? "") ?? [];
  const found: SagaSummary[] = [];
  for (const saga of names.filter((each) => each >= afterName)) {
    let from = saga === afterName ? afterId : undefined;
    do {
      // One more than is shown tells whether there are more.
      const page = await sagas.list(saga, {
        limit: limit + 1 - found.length,
        ...(status === undefined ? {} : { status }),
        ...(from === undefined || from === "" ? {} : { after: from }),
      });
      found.push(...page.sagas);
      from = page.next;
      if (found.length > limit) {
        const shown = found.slice(0, limit);
        const last = shown.at(-1);
        return { sagas: shown, ...(last ? { next: `${last.saga}/${last.id}` } : {}), hasMore: true };
      }
    } while (from !== undefined);
  }
  return { sagas: found, hasMore: false };
}
