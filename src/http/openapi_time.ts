/** Timers and schedules, as OpenAPI paths. */
import type { JsonSchema } from "./json_schema.ts";
import { common, listOf, object, ok } from "./openapi_paths.ts";
import { parametersOf, problemsOf } from "./openapi_parts.ts";

const text: JsonSchema = { type: "string" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const time: JsonSchema = { type: "string", format: "date-time" };
const sends = object({ actor: text, command: text });

const timer = object({
  actor: { type: "string", description: "Whose timer it is, or whom a delayed message is for: `type/key`." },
  name: { type: "string", description: "Of a timer." },
  messageId: { type: "string", description: "Of a delayed message." },
  dueAt: time,
  sends,
  causationId: { type: "string", description: "The message whose turn has asked for it." },
  correlationId: text,
}, ["name", "messageId", "causationId"]);

const schedule = object({
  name: text,
  cron: { type: "string", examples: ["30 7 * * 1-5"] },
  timeZone: { type: "string", examples: ["Europe/Berlin"] },
  misfire: { enum: ["skip", "run-once", "catch-up"], description: "What becomes of times that were missed." },
  jitterMs: count,
  sends,
  isPaused: { type: "boolean" },
  fired: count,
  missed: count,
  firedAt: time,
  next: { ...listOf(time), description: "The next ten times." },
}, ["firedAt"]);

const act = (operationId: string, summary: string) => ({
  parameters: parametersOf("name"),
  post: {
    operationId,
    tags: ["Operations"],
    summary,
    requestBody: {
      content: { "application/json": { schema: { type: "object", additionalProperties: false } } },
    },
    responses: { ...ok("The schedule.", schedule), ...common, ...problemsOf(404, 408, 413, 415, 422, 429) },
  },
});

export const timePaths = {
  "/timers": {
    get: {
      operationId: "listTimers",
      tags: ["Operations"],
      summary: "What timers and delayed messages will bring, soonest first.",
      parameters: parametersOf("actor", "limit"),
      responses: {
        ...ok("Timers.", object({ timers: listOf(timer), hasMore: { type: "boolean" } })),
        ...common,
      },
    },
  },
  "/schedules": {
    get: {
      operationId: "listSchedules",
      tags: ["Operations"],
      summary: "Schedules, with their next ten times.",
      responses: { ...ok("Schedules.", object({ schedules: listOf(schedule) })), ...common },
    },
  },
  "/schedules/{name}": {
    parameters: parametersOf("name"),
    get: {
      operationId: "readSchedule",
      tags: ["Operations"],
      summary: "One schedule.",
      responses: { ...ok("The schedule.", schedule), ...common, ...problemsOf(404) },
    },
  },
  "/schedules/{name}/pause": act("pauseSchedule", "Let nothing come of a schedule until it is resumed."),
  "/schedules/{name}/resume": act("resumeSchedule", "Let a schedule go on, from now."),
};
