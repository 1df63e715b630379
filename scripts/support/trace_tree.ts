import type { TraceNodeView, TraceView } from "../../src/http/trace_view.ts";
import { printable } from "./printable.ts";

/** One line of a tree, and what hangs below it. */
interface Branch {
  readonly line: string;
  readonly below: readonly Branch[];
}

/** Shorter than what anybody asks for. */
const DELAY_MS_MIN = 100;

/**
 * A causal tree as text: what came from outside first, and below each message the failures and events of its
 * turn, who handles these, and what it led to.
 *
 * @param wanted Message id that was asked about: its line is marked.
 */
export function traceTree(trace: TraceView, wanted: string): string {
  const lines = [`correlation ${trace.correlationId}`];
  const roots = trace.roots.map((root) => branchOf(root, wanted));
  lines.push(...roots.flatMap((root) => draw(root, "", "", "")));
  if (trace.isTruncated) lines.push("… and more: the tree was cut at its limit");
  return lines.map(printable).join("\n");
}

function branchOf(node: TraceNodeView, wanted: string): Branch {
  const failures = node.failures?.map(({ attempt, at, error }) => ({
    line: attempt === 0 ? `operator: ${error}, ${at}` : `attempt ${attempt} failed ${at}: ${error}`,
    below: [],
  }));
  const events = node.events.map((event) => ({
    line: `event ${event.type}${
      stepOf(event)
    }  ${event.actor}@${event.version}, ${event.shard}.${event.position}`,
    below: event.followers.map(({ kind, name, hasSeen }) => ({
      line: `${kind} ${name}${
        hasSeen === undefined ? "" : hasSeen ? ": has seen it" : ": has not seen it yet"
      }`,
      below: [],
    })),
  }));
  const children = node.children.map((child) => branchOf(child, wanted));
  return { line: lineOf(node, wanted), below: [...failures ?? [], ...events, ...children] };
}

function lineOf(node: TraceNodeView, wanted: string): string {
  const { kind, actor, command, status, attempts } = node;
  const what = kind === "activity"
    ? `activity ${actor.slice(actor.indexOf(":") + 1)}`
    : `${kind === "timer" ? "timer " : ""}${actor}${command === undefined ? "" : ` ${command}`}`;
  const parts = [
    status,
    attempts > 1 ? `${attempts} attempts` : "",
    waited(node),
    node.tookMs === undefined ? "" : `took ${node.tookMs} ms`,
    node.nextAttemptAt === undefined ? "" : `next attempt ${node.nextAttemptAt}`,
    node.handledAt ?? (kind === "timer" ? `due ${node.dueAt}` : `since ${node.dueAt ?? node.enqueuedAt}`),
  ].filter((part) => part !== "");
  return `${what}  ${parts.join(", ")}  [${node.messageId}]${node.messageId === wanted ? " ◀" : ""}`;
}

function waited({ kind, enqueuedAt, dueAt }: TraceNodeView): string {
  if (kind === "timer" || enqueuedAt === undefined || dueAt === undefined) return "";
  const delayMs = Date.parse(dueAt) - Date.parse(enqueuedAt);
  // A shard's time may be ahead of the clock by the moment that the clock went back.
  return delayMs >= DELAY_MS_MIN ? `delayed ${delayMs} ms` : "";
}

/** Which step of a saga an event is about. */
function stepOf({ payload }: { readonly payload: unknown }): string {
  if (typeof payload !== "object" || payload === null || !("step" in payload)) return "";
  const { step } = payload;
  const named = "name" in payload && typeof payload.name === "string" ? ` ${payload.name}` : "";
  const to = "to" in payload && typeof payload.to === "string" ? ` → ${payload.to}` : "";
  return typeof step === "number" ? ` (step ${step}${named}${to})` : "";
}

function draw({ line, below }: Branch, indent: string, corner: string, under: string): string[] {
  return [
    `${indent}${corner}${line}`,
    ...below.flatMap((branch, index) => {
      const isLast = index === below.length - 1;
      return draw(branch, indent + under, isLast ? "└─ " : "├─ ", isLast ? "   " : "│  ");
    }),
  ];
}
