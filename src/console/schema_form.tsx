/** @jsxImportSource hono/jsx */
import type { z } from "zod";
import { FolioError, type Issue } from "../core/errors.ts";
import { issueText, type Refusal } from "./api.ts";
import type { Form } from "./context.tsx";
import { type Field, fieldsOf, formOf, type Group, inputOf, nameOf } from "./schema_fields.ts";

/** A form that was refused, to be shown again as it was filled in. */
export interface Attempt {
  readonly form: Form;
  readonly refusal: Refusal;
}

/**
 * What was filled in; or, where it cannot be read at all, why.
 *
 * @returns `refusal` is undefined where there is an input.
 */
export function readInput(schema: z.ZodType, form: Form): { input?: unknown; refusal?: Refusal } {
  try {
    return { input: inputOf(schema, form) };
  } catch (error) {
    if (!FolioError.is(error, "invalid-input")) throw error;
    return { refusal: { status: 422, reason: error.message, issues: error.fields.issues } };
  }
}

/** What a page says above such a form. */
export function refusedOptions(attempt: Attempt | undefined) {
  if (!attempt) return {};
  const { status, reason } = attempt.refusal;
  return { status, notice: { kind: "failed" as const, text: reason } };
}

/**
 * Fields for what a schema takes, each with what was wrong with it.
 *
 * @param entered A value of the schema to begin with.
 */
export function SchemaFields(
  { schema, attempt, entered, scope }: {
    schema: z.ZodType;
    attempt?: Attempt | undefined;
    entered?: unknown;
    scope: string;
  },
) {
  const fields = fieldsOf(schema);
  const issues = attempt?.refusal.issues ?? [];
  const given = { form: attempt?.form ?? formOf(fields, entered), issues, scope };
  // What concerns no single field: the input as a whole, or a property that there is none for.
  const others = issues.filter((issue) => !fields.some((field) => concerns(issue, field)));
  return (
    <>
      <Issues issues={others} />
      {fields.map((field) => <AnyField field={field} given={given} />)}
    </>
  );
}

interface Given {
  readonly form: Form;
  readonly issues: readonly Issue[];
  /** Tells ids of this form's elements from those of others on the page. */
  readonly scope: string;
}

export function Issues({ issues, id }: { issues: readonly Issue[]; id?: string }) {
  if (issues.length === 0) return null;
  return (
    <ul class="issues" id={id}>
      {issues.map((issue) => <li>{issueText(issue)}</li>)}
    </ul>
  );
}

function AnyField({ field, given }: { field: Field | Group; given: Given }) {
  if (field.kind !== "group") return <OneField field={field} given={given} />;
  const own = given.issues.filter((issue) =>
    concerns(issue, field) && !field.fields.some((inner) => concerns(issue, inner))
  );
  return (
    <fieldset>
      <legend>{field.path.at(-1)}{field.isRequired ? "" : " · optional"}</legend>
      <Issues issues={own} />
      {field.fields.map((inner) => <AnyField field={inner} given={given} />)}
    </fieldset>
  );
}

function OneField({ field, given }: { field: Field; given: Given }) {
  const [name, value] = [nameOf(field), given.form[nameOf(field)]];
  const issues = given.issues.filter((issue) => concerns(issue, field));
  const id = `${given.scope}-${name}`.replaceAll(/[^\w-]/g, "-");
  const said = issues.length > 0 ? { "aria-invalid": "true" as const, "aria-describedby": id } : {};
  const isCheck = field.kind === "check";
  const remarks = [field.isRequired || isCheck ? "" : "optional", field.hint].filter((text) => text !== "");
  return (
    <div class="field">
      <label class={isCheck ? "check" : ""}>
        {isCheck && <Control field={field} name={name} value={value} said={said} />}
        <span>
          {field.path.at(-1) ?? "Input"}
          <span class="muted">{remarks.map((remark) => ` · ${remark}`).join("")}</span>
        </span>
        {!isCheck && <Control field={field} name={name} value={value} said={said} />}
      </label>
      {issues.length > 0 && <p class="issue" id={id}>{issues.map(({ message }) => message).join(". ")}</p>}
    </div>
  );
}

function Control(
  { field, name, value, said }: {
    field: Field;
    name: string;
    value: string | undefined;
    said: Readonly<Record<string, "true" | string>>;
  },
) {
  switch (field.kind) {
    case "check":
      return <input type="checkbox" name={name} value="true" checked={value === "true"} {...said} />;
    case "choice":
      return (
        <select name={name} {...said}>
          {!field.isRequired && <option value=""></option>}
          {field.choices.map((choice) => <option value={choice} selected={choice === value}>{choice}
          </option>)}
        </select>
      );
    case "lines":
    case "json":
      return (
        <textarea name={name} rows={field.path.length === 0 ? 6 : 3} spellcheck={false} {...said}>
          {value ?? (field.path.length === 0 ? "{}" : "")}
        </textarea>
      );
    default:
      return (
        <input
          name={name}
          value={value ?? ""}
          inputmode={field.kind === "number" ? "decimal" : "text"}
          autocomplete="off"
          {...said}
        />
      );
  }
}

function concerns({ path }: Issue, field: Pick<Field, "path">): boolean {
  return field.path.every((part, index) => String(path[index]) === part);
}
