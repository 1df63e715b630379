/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { invalidKeyReason } from "../core/message.ts";
import { listSagas, sagaStatusNames } from "../http/saga_list.ts";
import { action } from "./action.tsx";
import { pathOf } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { num, Select, Status, Table } from "./parts.tsx";
import { sagaHref, sagaPage } from "./saga.tsx";
import { type Attempt, readInput, refusedOptions, SchemaFields } from "./schema_form.tsx";

const PAGE_ITEMS = 100;

/** Sagas: instances by how they stand, and starting one. */
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
              heads={["Instance", "Saga", "Status", num("Events")]}
              empty="No instance."
              rows={sagas.map((saga) => [
                <a class="name" href={sagaHref(saga.saga, saga.id)}>{saga.id}</a>,
                saga.saga,
                <Status of={saga.status} />,
                <a href={`/console/actors${pathOf([saga.saga, saga.id])}#events`}>{saga.version}</a>,
              ])}
            />
            {next && (
              <a class="button" href={`/console${pathOf(["sagas"], { name, status, after: next })}`}>More</a>
            )}
          </section>
          {names.length > 0 && <h2>Start one</h2>}
          <ul class="inline">
            {names.map((each) => (
              <li>
                <a class="button" href={`/console${pathOf(["sagas", each])}`}>{each}…</a>
              </li>
            ))}
          </ul>
        </>
      ),
    );
  });

  app.get("/sagas/:name", (c) => startPage(c, console));

  action(app, console, "/sagas/:name", async (c) => {
    const { name = "" } = c.req.param();
    const form = c.get("form");
    const again = (refusal: Attempt["refusal"]) => startPage(c, console, { form, refusal });
    const id = form.id || runtime.newId();
    const reason = invalidKeyReason(id);
    if (reason !== undefined) return await again({ status: 422, reason: `Not an id: ${reason}`, issues: [] });
    const { input, refusal } = readInput(runtime.sagas.definition(name).input, form);
    if (refusal) return await again(refusal);
    return {
      ...{ name: "saga-start", target: `${name}/${id}`, back: sagaHref(name, id), done: "Started" },
      ...{ ask: (api) => api("POST", pathOf(["sagas", name, id]), input), refused: again },
    };
  });

  sagaPage(app, console);
}

function startPage(c: ConsoleContext, { runtime }: Console, attempt?: Attempt): Promise<Response> {
  const { name = "" } = c.req.param();
  const { input } = runtime.sagas.definition(name);
  return page(
    c,
    { title: `Start ${name}`, ...refusedOptions(attempt) },
    (
      <form method="post" action={`/console${pathOf(["sagas", name])}`} class="card form">
        <Csrf />
        <label>
          <span>
            Id <span class="muted">· made here if empty</span>
          </span>
          <input name="id" value={attempt?.form.id ?? ""} autocomplete="off" spellcheck={false} />
        </label>
        <SchemaFields schema={input} attempt={attempt} scope="start" />
        <div class="row">
          <button type="submit" class="primary">Start {name}</button>
          <a class="button" href={`/console${pathOf(["sagas"], { name })}`}>Its instances</a>
        </div>
      </form>
    ),
  );
}
