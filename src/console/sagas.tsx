/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import type { StepView } from "../core/journal.ts";
import { listSagas, sagaStatusNames } from "../http/saga_list.ts";
import { FolioError } from "../core/errors.ts";
import { isEnd, type SagaStatus } from "../runtime/sagas.ts";
import { pathOf } from "./api.ts";
import { Act, type Console, type ConsoleEnv, Csrf, page, perform } from "./page.tsx";
import { ActorLink, Facts, Json, MessageLink, Select, Status, Table, Time, toneOf } from "./parts.tsx";
import { inputOf, SchemaFields } from "./schema_form.tsx";

const HOME = "/console/sagas";
const PAGE_ITEMS = 100;

/** Sagas: instances by how they stand, their steps and compensations, signals, cancelling, going on. */
export function sagaPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;
  const names = [...runtime.registry.sagas.keys()].sort();

  app.get("/sagas", async (c) => {
    const { after } = c.req.query();
    const name = names.find((each) => each === c.req.query("name"));
    const status = sagaStatusNames.find((each) => each === c.req.query("status"));
    const { sagas, next } = await listSagas(runtime, { name, status, after, limit: PAGE_ITEMS });
    return await page(
      c,
      { title: "Sagas" },
      (
        <>
          <form class="row filter" role="search">
            <Select name="name" label="Saga" value={name} options={names} />
            <Select name="status" label="Status" value={status} options={sagaStatusNames} />
            <button type="submit">Show</button>
          </form>
          <section id="sagas" data-live>
            <Table
              caption="Instances of sagas"
              heads={["Instance", "Saga", "Status", "Events"]}
              empty="No instance."
              rows={sagas.map((saga) => [
                <a class="name" href={hrefOf(saga.saga, saga.id)}>{saga.id}</a>,
                saga.saga,
                <Status of={saga.status} />,
                <a href={`/console/actors${pathOf([saga.saga, saga.id])}`}>{saga.version}</a>,
              ])}
            />
            {next && (
              <a class="button" href={`/console${pathOf(["sagas"], { name, status, after: next })}`}>More</a>
            )}
          </section>
        </>
      ),
    );
  });

  app.get("/sagas/:name/:id", async (c) => {
    const { name, id } = c.req.param();
    const saga = await runtime.sagas.status(name, id);
    if (!saga) {
      throw new FolioError("no-events", `${name}/${id} was never started`, { actor: `${name}/${id}` });
    }
    const signals = [...runtime.sagas.definition(name).signals ?? []];
    const href = hrefOf(name, id);
    return await page(
      c,
      { title: `${name}/${id}` },
      (
        <>
          <section id="saga" data-live>
            <Facts
              of={[
                ["Status", <Status of={saga.status} />],
                ["Started", <Time at={saga.startedAt} />],
                ["Deadline", <Time at={saga.deadlineAt} />],
                ["Events", <a href={`/console/actors${pathOf([name, id])}`}>{saga.version}</a>],
                ["Continued", saga.continued],
              ]}
            />
            {saga.stopped && <p class="notice failed">{saga.stopped}</p>}
            {saga.error && <p class="notice failed">{saga.error.code}: {saga.error.message}</p>}
            <h2>Steps</h2>
            {saga.steps.length === 0 ? <p class="empty">None yet.</p> : (
              <ol class="timeline">
                {saga.steps.map((step) => <Step step={step} attempts={saga.attempts} />)}
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
              <Doing saga={saga} signals={signals} href={href} />
            </section>
          </div>
        </>
      ),
    );
  });

  for (const action of ["cancel", "retry"] as const) {
    app.post(`/sagas/:name/:id/${action}`, (c) => {
      const { name, id } = c.req.param();
      const target = `${name}/${id}`;
      return perform(c, console, {
        ...{ method: "POST", path: pathOf(["sagas", name, id, action]), body: {} },
        ...{ name: `saga-${action}`, target, back: hrefOf(name, id) },
        done: action === "cancel" ? "Cancelled" : "Tried again",
        ...(action === "cancel"
          ? {
            confirm: { question: `Cancel ${target}? What it has done is undone.`, label: "Cancel the saga" },
          }
          : {}),
      });
    });
  }

  app.post("/sagas/:name/:id/signals/:signal", (c) => {
    const { name, id, signal } = c.req.param();
    const schema = runtime.sagas.definition(name).signals?.get(signal) ?? z.unknown();
    let body: unknown;
    try {
      body = inputOf(schema, c.get("form"));
    } catch {
      throw new FolioError("invalid-input", "The payload is not JSON", { issues: [] });
    }
    return perform(c, console, {
      ...{ method: "POST", path: pathOf(["sagas", name, id, "signals", signal]), body },
      ...{ name: "saga-signal", target: `${signal} to ${name}/${id}`, back: hrefOf(name, id), done: "Sent" },
    });
  });
}

function Doing(
  { saga, signals, href }: {
    saga: SagaStatus;
    signals: readonly (readonly [string, z.ZodType])[];
    href: string;
  },
) {
  if (isEnd(saga.status)) return <p class="empty">It has ended.</p>;
  return (
    <>
      {signals.map(([name, schema]) => (
        <details class="card">
          <summary>signal {name}</summary>
          <form method="post" action={`${href}/signals/${encodeURIComponent(name)}`}>
            <Csrf />
            <SchemaFields schema={schema} />
            <button type="submit" class="primary">Send {name}</button>
          </form>
        </details>
      ))}
      <div class="row">
        {saga.status === "stuck" && <Act to={`${href}/retry`} label="Try again" kind="primary" />}
        {saga.status !== "stopped" && <Act to={`${href}/cancel`} label="Cancel…" kind="danger" />}
      </div>
    </>
  );
}

function Step({ step, attempts }: { step: StepView; attempts: SagaStatus["attempts"] }) {
  const { compensation, messageId, to } = step;
  return (
    <li class={toneOf(step.status)}>
      <strong>{step.name}</strong> <span class="muted">{step.kind}</span> <Status of={step.status} />{" "}
      {to !== undefined && <ActorLink actor={to} />}{" "}
      {messageId !== undefined && <MessageLink id={messageId} actor={to} />}{" "}
      {messageId !== undefined && (attempts[messageId] ?? 1) > 1 && (
        <span class="muted">{attempts[messageId]} attempts</span>
      )}
      {step.dueAt !== undefined && step.status === "pending" && (
        <span class="muted">
          at the latest <Time at={step.dueAt} />
        </span>
      )}
      {step.error && <div class="error">{step.error.code}: {step.error.message}</div>}
      {step.output !== undefined && <Json value={step.output} label={`Output of ${step.name}`} />}
      {compensation && (
        <div class="undo">
          undo <Status of={compensation.status} /> <ActorLink actor={compensation.to} />{" "}
          <MessageLink id={compensation.messageId} actor={compensation.to} />
          {compensation.error && (
            <div class="error">{compensation.error.code}: {compensation.error.message}</div>
          )}
        </div>
      )}
    </li>
  );
}

function hrefOf(name: string, id: string): string {
  return `${HOME}${pathOf([name, id])}`;
}
