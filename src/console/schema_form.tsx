/** @jsxImportSource hono/jsx */
import { z } from "zod";
import type { Form } from "./page.tsx";

/** A property that has a field of its own. */
interface Field {
  readonly name: string;
  readonly kind: "text" | "number" | "check" | "choice" | "json";
  readonly isRequired: boolean;
  readonly choices: readonly string[];
  readonly hint: string;
}

const WHOLE = "json:input";
const PREFIX = "in:";

/** Fields for what a schema takes: one a property where it is an object, otherwise one for all of it, as JSON. */
export function SchemaFields({ schema, entered = {} }: { schema: z.ZodType; entered?: Form }) {
  const fields = fieldsOf(schema);
  if (!fields) {
    return (
      <label>
        Input, as JSON
        <textarea name={WHOLE} rows={4} spellcheck={false}>{entered[WHOLE] ?? "{}"}</textarea>
      </label>
    );
  }
  return <>{fields.map((field) => <SchemaField field={field} value={entered[PREFIX + field.name]} />)}</>;
}

function SchemaField({ field, value }: { field: Field; value: string | undefined }) {
  const name = PREFIX + field.name;
  const label = `${field.name}${field.isRequired ? "" : " (optional)"}${
    field.hint ? ` · ${field.hint}` : ""
  }`;
  if (field.kind === "check") {
    return (
      <label class="check">
        <input type="checkbox" name={name} value="true" checked={value === "true"} /> {field.name}
      </label>
    );
  }
  if (field.kind === "choice") {
    return (
      <label>
        {label}
        <select name={name}>
          {!field.isRequired && <option value=""></option>}
          {field.choices.map((choice) => (
            <option value={choice} selected={choice === value}>{choice}</option>
          ))}
        </select>
      </label>
    );
  }
  if (field.kind === "json") {
    return (
      <label>
        {label}
        <textarea name={name} rows={3} spellcheck={false}>{value ?? ""}</textarea>
      </label>
    );
  }
  return (
    <label>
      {label}
      <input
        name={name}
        value={value ?? ""}
        inputmode={field.kind === "number" ? "decimal" : "text"}
        autocomplete="off"
      />
    </label>
  );
}

/**
 * The input that was filled in, to be checked by the schema itself: a number that is none stays text.
 *
 * @throws {SyntaxError} When what is to be JSON is none.
 */
export function inputOf(schema: z.ZodType, form: Form): unknown {
  const fields = fieldsOf(schema);
  if (!fields) return JSON.parse(form[WHOLE] ?? "{}");
  return Object.fromEntries(fields.flatMap((field) => {
    const text = form[PREFIX + field.name];
    if (field.kind === "check") {
      return text === "true" || field.isRequired ? [[field.name, text === "true"]] : [];
    }
    if (text === undefined || (text === "" && (!field.isRequired || field.kind !== "text"))) return [];
    return [[field.name, valueOf(field, text)]];
  }));
}

function valueOf({ kind }: Field, text: string): unknown {
  if (kind === "json") return JSON.parse(text);
  if (kind === "number" && Number.isFinite(Number(text))) return Number(text);
  return text;
}

function fieldsOf(schema: z.ZodType): Field[] | undefined {
  const { type, properties, required = [] } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  if (type !== "object" || !properties) return undefined;
  return Object.entries(properties).map(([name, property]) =>
    fieldOf(name, property, required.includes(name))
  );
}

function fieldOf(name: string, property: unknown, isRequired: boolean): Field {
  const known = z.object({
    type: z.string().optional(),
    enum: z.array(z.string()).optional(),
    format: z.string().optional(),
    description: z.string().optional(),
  }).safeParse(property).data;
  const hint = known?.description ?? known?.format ?? "";
  const field = (kind: Field["kind"], choices: readonly string[] = []) => ({
    name,
    kind,
    isRequired,
    choices,
    hint,
  });
  if (known?.enum) return field("choice", known.enum);
  if (known?.type === "string") return field("text");
  if (known?.type === "number" || known?.type === "integer") return field("number");
  if (known?.type === "boolean") return field("check");
  return { ...field("json"), hint: hint || "JSON" };
}
