/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import { FolioError } from "../core/errors.ts";
import type { StepView } from "../core/saga_view.ts";
import { isEnd, type SagaStatus } from "../runtime/sagas.ts";
import { Act, action } from "./action.tsx";
import { pathOf } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { Json } from "./json.tsx";
import { ActorLink, Facts, MessageLink, milliseconds, Status, Text, Time, toneOf } from "./parts.tsx";
import { type Span, type StepTimes, stepTimes } from "./saga_times.ts";
import { type Attempt, readInput, refusedOptions, SchemaFields } from "./schema_form.tsx";

/** The newest; all are in its events. */
const STEPS_SHOWN = 200;

type SignalAttempt = Attempt & { readonly signal: string };

/** One instance of a saga: its steps and compensations, signals, cancelling, going on. */
export function sagaPage(app: Hono<ConsoleEnv>, console: Console): void {
  app.get("/sagas/:name/:id", (c) => onePage(c, console));

  const of = (c: ConsoleContext) => {
    const { name = "", id = "", signal = "" } = c.req.param();
    const path = (...more: string[]) => pathOf(["sagas", name, id, ...more]);
    return { name, signal, path, base: { target: `${name}/${id}`, back: sagaHref(name, id) } };
  };

  action(app, console, "/sagas/:name/:id/cancel", (c) => {
    const { path, base } = of(c);
    const reason = c.get("form").reason || undefined;
    return {
      ...{ ...base, name: "saga-cancel" },
      // One that takes back what it has done already has nothing to be cancelled.
      done: ({ status }) =>
        ["running", "cancelled", "compensating"].includes(String(status))
          ? `Cancelled: ${base.target}`
          : `${base.target} is ${status}: there was nothing to cancel`,
      ask: (api) => api("POST", path("cancel"), { reason }),
      confirm: {
        question: `Cancel ${base.target}? What it has done is undone.`,
        label: "Cancel the saga",
        more: <Text name="reason" label="Why (optional)" />,
      },
    };
  });

  action(app, console, "/sagas/:name/:id/retry", (c) => {
    const { path, base } = of(c);
    return {
      ...{ ...base, name: "saga-retry", done: "Tried again" },
      ask: (api) => api("POST", path("retry"), {}),
    };
  });

  action(app, console, "/sagas/:name/:id/signals/:signal", async (c) => {
    const { name, signal, path, base } = of(c);
    const form = c.get("form");
    const again = (refusal: Attempt["refusal"]) => onePage(c, console, { form, refusal, signal });
    const schema = console.runtime.sagas.definition(name).signals?.get(signal) ?? z.unknown();
    const { input, refusal } = readInput(schema, form);
    if (refusal) return await again(refusal);
    return {
      ...{ ...base, name: "saga-signal", target: `${signal} to ${base.target}`, done: "Sent" },
      ...{ ask: (api) => api("POST", path("signals", signal), input), refused: again },
    };
  });
}

async function onePage(c: ConsoleContext, { runtime }: Console, attempt?: SignalAttempt): Promise<Response> {
  const { name = "", id = "" } = c.req.param();
  const saga = await runtime.sagas.status(name, id);
  if (!saga) {
    throw new FolioError("no-events", `${name}/${id} was never started`, { actor: `${name}/${id}` });
  }
  const times = await stepTimes(runtime, saga);
  // Nothing comes after the end.
  const { events: [last] } = await runtime.stream(name, id, { after: saga.version - 1, limit: 1 });
  const endedAt = isEnd(saga.status) ? last?.at : undefined;
  const shown = saga.steps.slice(-STEPS_SHOWN);
  const signals = [...runtime.sagas.definition(name).signals ?? []];
  return await page(
    c,
    { title: `${name}/${id}`, ...refusedOptions(attempt) },
    (
      <>
        <section id="saga" data-live>
          <Facts
            of={[
              ["Status", <Status of={saga.status} />],
              ["Started", <Time at={saga.startedAt} />],
              endedAt === undefined
                ? ["Deadline", <Time at={saga.deadlineAt} />]
                : ["Ended", <Time at={endedAt} />],
              ["Steps", <a href="#steps">{saga.steps.length}</a>],
              ["Events", <a href={`/console/actors${pathOf([name, id])}#events`}>{saga.version}</a>],
              ...saga.continued === 0 ? [] : [["Continued as new", `${saga.continued} times`] as const],
            ]}
          />
          {saga.stopped && <p class="notice failed">{saga.stopped}</p>}
          {saga.error && <p class="notice failed">{saga.error.code}: {saga.error.message}</p>}
          <h2 id="steps">Steps</h2>
          {shown.length < saga.steps.length && <p class="muted">The newest {STEPS_SHOWN}.</p>}
          {saga.steps.length === 0 ? <p class="empty">None yet.</p> : (
            <ol class="timeline">
              {shown.map((step) => (
                <Step
                  step={step}
                  attempts={saga.attempts}
                  times={times.get(step.name)}
                />
              ))}
            </ol>
          )}
        </section>
        <div class="two">
          <section>
            <h2>Input</h2>
            <Json value={saga.input} label="Input" />
            {saga.output !== undefined && (
              <>
                <h2>Result</h2>
                <Json value={saga.output} label="Result" />
              </>
            )}
          </section>
          <section>
            <h2>What can be done</h2>
            <Doing saga={saga} signals={signals} attempt={attempt} />
          </section>
        </div>
      </>
    ),
  );
}

function Doing(
  { saga, signals, attempt }: {
    saga: SagaStatus;
    signals: readonly (readonly [string, z.ZodType])[];
    attempt: SignalAttempt | undefined;
  },
) {
  if (isEnd(saga.status)) return <p class="empty">It has ended.</p>;
  const href = sagaHref(saga.saga, saga.id);
  return (
    <>
      {signals.map(([name, schema]) => {
        const tried = attempt?.signal === name ? attempt : undefined;
        return (
          <details class="card" open={tried !== undefined}>
            <summary>signal {name}</summary>
            <form method="post" action={`${href}/signals/${encodeURIComponent(name)}`}>
              <Csrf />
              <SchemaFields schema={schema} attempt={tried} scope={name} />
              <button type="submit" class="primary">Send {name}</button>
            </form>
          </details>
        );
      })}
      <div class="row">
        {saga.status === "stuck" && <Act to={`${href}/retry`} label="Try again" kind="primary" />}
        {saga.status === "running" && <Act to={`${href}/cancel`} label="Cancel…" kind="danger" />}
      </div>
    </>
  );
}

function Step(
  { step, attempts, times }: {
    step: StepView;
    attempts: SagaStatus["attempts"];
    times: StepTimes | undefined;
  },
) {
  const { compensation, messageId, to } = step;
  return (
    <li class={toneOf(step.status)}>
      <div class="line">
        <strong>{step.name}</strong> <span class="muted">{step.kind}</span> <Status of={step.status} />
        <When span={times?.step} />
        {to !== undefined && <ActorLink actor={to} />}
        {messageId !== undefined && <MessageLink id={messageId} actor={to} />}
        {messageId !== undefined && (attempts[messageId] ?? 1) > 1 && (
          <MessageLink id={messageId} actor={to} text={`${attempts[messageId]} attempts`} />
        )}
        {step.dueAt !== undefined && step.status === "pending" && (
          <span class="muted">
            at the latest <Time at={step.dueAt} />
          </span>
        )}
      </div>
      {step.error && <div class="error">{step.error.code}: {step.error.message}</div>}
      {step.output !== undefined && <Json value={step.output} label={`Output of ${step.name}`} />}
      {compensation && (
        <div class="undo">
          <div class="line">
            <span>undo</span>
            <Status of={compensation.status} />
            <When span={times?.undo} />
            <ActorLink actor={compensation.to} />
            <MessageLink id={compensation.messageId} actor={compensation.to} />
          </div>
          {compensation.error && (
            <div class="error">{compensation.error.code}: {compensation.error.message}</div>
          )}
        </div>
      )}
    </li>
  );
}

/** When something began, and how long it took; what takes no time at all was there at once. */
function When({ span: { from, to } = {} }: { span: Span | undefined }) {
  if (from === undefined) return null;
  return (
    <span class="muted">
      <Time at={from} />
      {to !== undefined && to > from && <>, took {milliseconds(to - from)}</>}
    </span>
  );
}

/** The page of an instance. */
export function sagaHref(name: string, id: string): string {
  return `/console/sagas${pathOf([name, id])}`;
}
