import { z } from "zod";
import { FolioError, type Issue } from "../core/errors.ts";
import type { Form } from "./context.tsx";

/** A value that has a field of its own. */
export interface Field {
  readonly kind: "text" | "number" | "check" | "choice" | "lines" | "json";
  /** Where in the input, e.g. `["filters", "actor"]`; empty for all of it. */
  readonly path: readonly string[];
  readonly isRequired: boolean;
  readonly choices: readonly string[];
  readonly hint: string;
}

/** An object within the input, with the fields of its properties. */
export interface Group {
  readonly kind: "group";
  readonly path: readonly string[];
  readonly isRequired: boolean;
  readonly fields: readonly (Field | Group)[];
}

/** Deeper objects are filled in as JSON. */
const DEPTH_MAX = 3;
/** What a text has to look like, where its name does not say it. */
const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-01-31T12:00:00Z",
  "date": "2026-01-31",
};
const NOTHING = Symbol("nothing was filled in");

const JsonSchema = z.object({
  type: z.string().optional(),
  enum: z.array(z.string()).optional(),
  const: z.string().optional(),
  format: z.string().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
});

/** What is to be filled in for a schema: one field a property where it is an object, otherwise one for all of it. */
export function fieldsOf(schema: z.ZodType): readonly (Field | Group)[] {
  const whole = fieldOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), [], true);
  return whole.kind === "group" ? whole.fields : [whole];
}

function fieldOf(schema: unknown, path: readonly string[], isRequired: boolean): Field | Group {
  const known = JsonSchema.safeParse(schema).data ?? {};
  if (known.type === "object" && known.properties && path.length < DEPTH_MAX) {
    const required = new Set(known.required);
    const fields = Object.entries(known.properties).map(([name, property]) =>
      fieldOf(property, [...path, name], required.has(name))
    );
    return { kind: "group", path, isRequired, fields };
  }
  const preset = known.default === undefined ? undefined : `${JSON.stringify(known.default)} if empty`;
  const hint = [known.description ?? formats[known.format ?? ""], preset].filter(Boolean).join(", ");
  const field = (kind: Field["kind"], more: Partial<Field> = {}): Field => ({
    ...{ kind, path, isRequired, choices: [], hint },
    ...more,
  });
  if (path.length === 0) return field("json", { hint: "as JSON" });
  if (known.enum) return field("choice", { choices: known.enum });
  if (known.const !== undefined) return field("choice", { choices: [known.const] });
  if (known.type === "string") return field("text");
  if (known.type === "number" || known.type === "integer") return field("number");
  if (known.type === "boolean") return field("check");
  const isOfText = known.type === "array" && JsonSchema.safeParse(known.items).data?.type === "string";
  if (isOfText) return field("lines", { hint: hint || "one a line" });
  return field("json", { hint: hint || "JSON" });
}

/** A value as a form has it. */
export function formOf(fields: readonly (Field | Group)[], value: unknown): Form {
  return Object.fromEntries(fields.flatMap((field): [string, string][] => {
    if (field.kind === "group") return Object.entries(formOf(field.fields, value));
    const found = field.path.reduce<unknown>((at, name) => Values.safeParse(at).data?.[name], value);
    if (found === undefined) return [];
    const isLines = field.kind === "lines" && Array.isArray(found);
    const isJson = field.kind === "json" || typeof found === "object";
    return [[nameOf(field), isLines ? found.join("\n") : isJson ? JSON.stringify(found) : String(found)]];
  }));
}

const Values = z.record(z.string(), z.unknown());

/** Name of a field in its form. */
export function nameOf({ path }: Pick<Field, "path">): string {
  return path.length === 0 ? "json:input" : `in:${path.map(encodeURIComponent).join("/")}`;
}

/**
 * The input that was filled in, to be checked by the schema itself: a number that is none stays text.
 *
 * @throws {FolioError} `invalid-input`, when what is to be JSON is none.
 */
export function inputOf(schema: z.ZodType, form: Form): unknown {
  const fields = fieldsOf(schema);
  const issues: Issue[] = [];
  const [only] = fields;
  const input = only?.kind === "json" && only.path.length === 0
    ? valueOf(only, form, issues)
    : objectOf(fields, form, issues);
  if (issues.length > 0) throw new FolioError("invalid-input", "Not all of it can be read", { issues });
  return input === NOTHING ? {} : input;
}

function objectOf(fields: readonly (Field | Group)[], form: Form, issues: Issue[]): object {
  return Object.fromEntries(fields.flatMap((field) => {
    const value = field.kind === "group" ? groupOf(field, form, issues) : valueOf(field, form, issues);
    return value === NOTHING ? [] : [[field.path.at(-1), value]];
  }));
}

/** An object that may be left out is, when nothing of it is filled in. */
function groupOf(group: Group, form: Form, issues: Issue[]): unknown {
  const value = objectOf(group.fields, form, issues);
  return group.isRequired || isFilled(group, form) ? value : NOTHING;
}

function isFilled(field: Field | Group, form: Form): boolean {
  if (field.kind === "group") return field.fields.some((inner) => isFilled(inner, form));
  return (form[nameOf(field)] ?? "") !== "";
}

function valueOf(field: Field, form: Form, issues: Issue[]): unknown {
  const { kind, isRequired } = field;
  const text = form[nameOf(field)];
  if (kind === "check") return text === "true" || isRequired ? text === "true" : NOTHING;
  if (text === undefined || (text === "" && (!isRequired || kind !== "text"))) return NOTHING;
  if (kind === "number") return Number.isFinite(Number(text)) ? Number(text) : text;
  if (kind === "lines" && !text.trimStart().startsWith("[")) {
    return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  }
  if (kind !== "json" && kind !== "lines") return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    issues.push({ path: [...field.path], message: `is not JSON: ${why}` });
    return NOTHING;
  }
}
