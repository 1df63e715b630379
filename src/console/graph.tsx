/** @jsxImportSource hono/jsx */
import type { TraceNode } from "../runtime/trace.ts";
import { messageHref, toneOf } from "./parts.tsx";

/** Sizes in the units of the drawing, which are pixels. */
const BOX = { width: 212, height: 46, gapX: 34, gapY: 12 };
const LABEL_CHARS_MAX = 26;

interface Placed {
  readonly node: TraceNode;
  readonly column: number;
  readonly row: number;
  readonly parent: Placed | undefined;
}

/** A causal tree as a drawing: causes to the left of what they led to, each a link to its message. */
export function Graph({ roots, here }: { roots: readonly TraceNode[]; here: string }) {
  const placed = place(roots);
  const columns = Math.max(0, ...placed.map(({ column }) => column)) + 1;
  const rows = Math.max(0, ...placed.map(({ row }) => row)) + 1;
  const width = columns * (BOX.width + BOX.gapX) - BOX.gapX + 8;
  const height = rows * (BOX.height + BOX.gapY) - BOX.gapY + 8;
  return (
    <div class="graph" tabindex={0} role="region" aria-label="Causes and consequences">
      <svg
        width={width}
        height={height}
        viewBox={`-4 -4 ${width} ${height}`}
        xmlns="http://www.w3.org/2000/svg"
      >
        {placed.map((each) => each.parent && <Line from={each.parent} to={each} />)}
        {placed.map(({ node, column, row }) => {
          const isHere = node.messageId === here;
          const title = `${node.actor} ${node.command ?? ""}: ${node.status}`;
          const box = (
            <g
              class={`${toneOf(node.status)} ${isHere ? "here" : ""}`}
              transform={`translate(${x(column)} ${y(row)})`}
            >
              <title>{title}</title>
              <rect width={BOX.width} height={BOX.height} rx="7" />
              <text x="10" y="19">{clip(node.command || node.kind)} · {node.status}</text>
              <text x="10" y="36" class="sub">
                {clip(node.actor)}
                {node.events.length > 0 ? ` +${node.events.length}` : ""}
              </text>
            </g>
          );
          // What is still to be sent, or was sent by nobody who could ask for it again, has no page of its own.
          const hasPage = node.kind !== "timer" && node.command !== undefined;
          return hasPage ? <a href={messageHref(node.messageId, node.actor)}>{box}</a> : box;
        })}
      </svg>
    </div>
  );
}

function Line({ from, to }: { from: Placed; to: Placed }) {
  const [x1, y1] = [x(from.column) + BOX.width, y(from.row) + BOX.height / 2];
  const [x2, y2] = [x(to.column), y(to.row) + BOX.height / 2];
  const middle = (x1 + x2) / 2;
  return <path d={`M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`} />;
}

/** A leaf has a row of its own; a cause stands beside the first of what it led to. */
function place(roots: readonly TraceNode[]): Placed[] {
  const placed: Placed[] = [];
  let row = 0;
  const visit = (node: TraceNode, column: number, parent: Placed | undefined) => {
    const here = { node, column, row, parent };
    placed.push(here);
    node.children.forEach((child, index) => {
      if (index > 0) row++;
      visit(child, column + 1, here);
    });
  };
  roots.forEach((root, index) => {
    if (index > 0) row++;
    visit(root, 0, undefined);
  });
  return placed;
}

function x(column: number): number {
  return column * (BOX.width + BOX.gapX);
}

function y(row: number): number {
  return row * (BOX.height + BOX.gapY);
}

function clip(text: string): string {
  return text.length > LABEL_CHARS_MAX ? `${text.slice(0, LABEL_CHARS_MAX - 1)}…` : text;
}
