import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { z } from "zod";
import modules from "../../actors/mod.ts";
import { createApp } from "../../src/http/app.ts";
import { openApiDocument } from "../../src/http/openapi.ts";
import { actor, command, createRuntime } from "../../src/mod.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";
import { Registry } from "../../src/runtime/registry.ts";

// deno-lint-ignore no-explicit-any -- a document is looked at in many places, each of another shape
type Document = any;

const documentOf = (actors: readonly AnyModule[]): Document =>
  // As it is sent: what JSON leaves out is not there.
  JSON.parse(JSON.stringify(openApiDocument(new Registry(actors), { title: "Test", version: "1" })));

/** Every object in a document, with the path to it. */
function* objectsIn(value: unknown, path = "#"): Generator<[string, Record<string, unknown>]> {
  if (value === null || typeof value !== "object") return;
  if (!Array.isArray(value)) yield [path, value as Record<string, unknown>];
  for (const [key, inner] of Object.entries(value)) yield* objectsIn(inner, `${path}/${key}`);
}

function resolve(document: Document, reference: string): Document {
  const steps = reference.replace(/^#\//, "").split("/");
  return steps.reduce(
    (at: Document, step) => at?.[step.replaceAll("~1", "/").replaceAll("~0", "~")],
    document,
  );
}

const operationsOf = (document: Document) =>
  Object.entries<Document>(document.paths).flatMap(([path, item]) =>
    Object.entries<Document>(item).filter(([method]) => method !== "parameters").map((
      [method, operation],
    ) => ({
      path,
      method,
      operation,
      parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((parameter) =>
        parameter.$ref ? resolve(document, parameter.$ref) : parameter
      ),
    }))
  );

interface Tree {
  readonly name: string;
  readonly children: Tree[];
}
const Tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
});
const Money = z.object({ cents: z.int() }).meta({ id: "money / ~any" });

/** Everything in schemas that is hard to put into a larger document. */
const awkward = actor("awkward", {
  initialState: () => ({}),
  events: {},
  evolve: {},
  rejections: { "too deep!": z.object({ tree: Tree }), "no": z.object({}) },
  commands: {
    grow: command(Tree, (_turn, input): Tree => input, { reply: Tree }),
    pay: command(z.object({ price: Money, tip: Money, tree: Tree.optional() }), () => null),
  },
});
/** By itself: the validator takes any member called `$ref` for a reference. */
const keywords = actor("keywords", {
  initialState: () => ({}),
  events: {},
  evolve: {},
  commands: {
    set: command(
      z.object({
        "$ref": z.record(z.string(), z.string()).default({ $ref: "#" }),
        "properties": z.literal("#/$defs/x"),
        "$defs": z.array(Money),
      }),
      () => null,
    ),
  },
});
const free = actor("free", {
  initialState: () => 0,
  events: {},
  evolve: {},
  commands: { go: command(z.object({}), () => {}) },
});

const samples = documentOf(modules);
const hard = documentOf([awkward, free]);

test.each([["sample modules", samples], ["awkward modules", hard], ["no modules", documentOf([])]])(
  "the document of %s is valid OpenAPI 3.1",
  async (_, document) => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  },
);

/** Would catch: a document that says everything is fine whatever is in it. */
test("the validator refuses what is no document", async () => {
  const broken = structuredClone(samples);
  broken.paths["/actors/account/{key}/withdraw"].post.responses = [];
  expect((await new Validator().validate(broken)).valid).toBe(false);
});

test.each([["sample modules", samples], ["awkward modules", hard]])(
  "references in the document of %s lead somewhere, and no schema has a root of its own",
  (_, document) => {
    let references = 0;
    for (const [path, object] of objectsIn(document)) {
      if (path.endsWith("/properties")) continue; // names of members, not keywords
      expect(object, path).not.toHaveProperty("$defs");
      expect(object, path).not.toHaveProperty("$schema");
      if (object.$ref === undefined) continue;
      references++;
      expect(resolve(document, String(object.$ref)), `${path}: ${object.$ref}`).toBeDefined();
    }
    expect(references).toBeGreaterThan(50);
  },
);

test("names of components are ones that OpenAPI allows", () => {
  for (const [kind, named] of Object.entries<object>(hard.components)) {
    for (const name of Object.keys(named)) expect(name, kind).toMatch(/^[\w.-]+$/);
  }
});

test("operations have ids of their own, and declare what their paths hold", () => {
  const operations = operationsOf(samples);
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toContain("account.withdraw");
  for (const { path, parameters } of operations) {
    const declared = parameters.filter((each: Document) => each.in === "path").map((each: Document) =>
      each.name
    );
    expect(declared.sort(), path).toEqual([...path.matchAll(/{(\w+)}/g)].map(([, name]) => name).sort());
  }
});

test("a command's input and reply are described by what checks them", () => {
  const { requestBody, responses } = samples.paths["/actors/account/{key}/withdraw"].post;
  expect(requestBody.required).toBe(true);
  expect(requestBody.content["application/json"].schema).toMatchObject({
    type: "object",
    properties: { amount: { type: "integer", exclusiveMinimum: 0 } },
    required: ["amount"],
  });
  expect(responses[200].content["application/json"].schema.properties.reply).toMatchObject({
    properties: { balance: { type: "integer" } },
    required: ["balance"],
  });
});

test("input is described as it is sent, with what may be left out", () => {
  const { requestBody } = samples.paths["/actors/counter/{key}/increment"].post;
  expect(requestBody.required).toBe(false);
  const { properties, required } = requestBody.content["application/json"].schema;
  expect(properties.by).toMatchObject({ type: "integer", minimum: 1, maximum: 1_000_000, default: 1 });
  expect(required).toBeUndefined();
});

test("a reply that is not declared may be any JSON", () => {
  const { responses } = hard.paths["/actors/free/{key}/go"].post;
  expect(responses[200].content["application/json"].schema.properties.reply).toEqual({});
});

test("a command's headers are declared", () => {
  const withdraw = operationsOf(samples).find(({ operation }) =>
    operation.operationId === "account.withdraw"
  );
  expect(withdraw?.parameters.filter((each) => each.in === "header").map((each) => each.name)).toEqual([
    "Prefer",
    "Idempotency-Key",
    "If-Match",
    "Folio-Delay",
    "Folio-Deliver-At",
    "Folio-Expires-After",
    "Folio-Expires-At",
    "Folio-Correlation-Id",
    "traceparent",
  ]);
});

test("an actor's rejections are the codes of its 409, each with its details", () => {
  const { content } = samples.paths["/actors/account/{key}/withdraw"].post.responses[409];
  const [{ $ref }] = content["application/problem+json"].schema.anyOf;
  const rejected = resolve(samples, $ref);
  const codes = ["already-open", "not-open", "account-closed", "insufficient-funds"];
  expect(rejected.properties.code.enum).toEqual(codes);
  expect(rejected.oneOf.map((each: Document) => each.properties.code.const)).toEqual(codes);
  expect(rejected.oneOf[3].properties.details).toMatchObject({
    properties: { balance: { type: "integer" } },
  });
});

test("an actor that does not declare its rejections may say anything", () => {
  expect(hard.components.schemas["free.rejected"].properties.code).toEqual({ type: "string" });
});

test("problems are problem details, and live ones say when to come back", () => {
  const { responses } = samples.paths["/actors/account/{key}/withdraw"].post;
  for (const status of [400, 401, 404, 412, 413, 415, 422, 429, 500, 503]) {
    const response = resolve(samples, responses[status].$ref);
    expect(Object.keys(response.content), String(status)).toEqual(["application/problem+json"]);
    if (status === 429 || status === 503) expect(response.headers).toHaveProperty("Retry-After");
  }
});

test("recursive and shared schemas become components", () => {
  const grow = hard.paths["/actors/awkward/{key}/grow"].post.requestBody.content["application/json"].schema;
  expect(grow).toEqual({ $ref: "#/components/schemas/awkward.grow.input" });
  expect(resolve(hard, grow.$ref).properties.children.items).toEqual(grow);
  const pay = hard.paths["/actors/awkward/{key}/pay"].post.requestBody.content["application/json"].schema;
  expect(pay.properties.price).toEqual(pay.properties.tip);
  expect(resolve(hard, pay.properties.price.$ref).properties).toHaveProperty("cents");
});

test("members that are called like keywords stay as they are", () => {
  const document = documentOf([keywords]);
  const { schema } =
    document.paths["/actors/keywords/{key}/set"].post.requestBody.content["application/json"];
  expect(schema.properties.$ref).toMatchObject({ type: "object", default: { $ref: "#" } });
  expect(schema.properties.properties).toMatchObject({ const: "#/$defs/x" });
  expect(resolve(document, schema.properties.$defs.items.$ref).properties).toHaveProperty("cents");
});

test("probes need no token, all else does where one is set", () => {
  expect(samples.components.securitySchemes.token).toMatchObject({ type: "http", scheme: "bearer" });
  const open = operationsOf(samples).filter(({ operation }) => operation.security?.length === 0);
  expect(open.map(({ path }) => path)).toEqual(["/health/live", "/health/ready"]);
});

/** Would catch: a route that was added, renamed or dropped without the document. */
test("the document has the routes of the app, and no others", async () => {
  await using runtime = await createRuntime({ modules: [free], data: ":memory:" });
  const app = createApp(runtime);
  const served = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) =>
    `${method} ${path.replace("/:command", "/go").replace(/^\/actors\/:type(\/:key\/go)$/, "/actors/free$1")}`
      .replaceAll(/:(\w+)/g, "{$1}")
      // Takes this one id only.
      .replace("POST /dead-letters/{id}", "POST /dead-letters/redrive").replace(
        "redrive/redrive",
        "{id}/redrive",
      )
  );
  const documented = operationsOf(documentOf([free])).map(({ method, path }) =>
    `${method.toUpperCase()} ${path}`
  );
  expect(documented.sort()).toEqual([...new Set(served)].sort());
  const response = await app.request("http://localhost/openapi.json");
  expect(response.status).toBe(200);
  expect((await response.json()).paths).toEqual(documentOf([free]).paths);
});
