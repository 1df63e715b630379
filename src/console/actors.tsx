/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { invalidKeyReason } from "../core/message.ts";
import { findActors } from "../runtime/browse.ts";
import { actorPage } from "./actor.tsx";
import { pathOf } from "./api.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { actorHref, ActorLink, num, Select, Table, Text } from "./parts.tsx";

const HOME = "/console/actors";
const PAGE_ITEMS = 100;

/** Actors, found by type and key. */
export function actorPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;
  const types = [...runtime.registry.actors.keys()].sort();

  app.get("/actors", async (c) => {
    const { type = "", key = "", after } = c.req.query();
    const query = { type, keyPrefix: key, after, limit: PAGE_ITEMS };
    const found = type === "" ? [] : await findActors(runtime, query);
    const last = found.length === PAGE_ITEMS ? found.at(-1) : undefined;
    return await page(
      c,
      { title: "Actors" },
      (
        <>
          <form class="row filter" role="search">
            <Select name="type" label="Type" value={type} options={types} all="choose…" />
            <Text name="key" label="Key begins with" value={key} />
            <button type="submit">Find</button>
            {type !== "" && key !== "" && invalidKeyReason(key) === undefined && (
              <a class="button" href={actorHref(`${type}/${key}`)}>Go to {type}/{key}</a>
            )}
          </form>
          {type === ""
            ? (
              <ul class="inline">
                {types.map((name) => (
                  <li>
                    <a class="button" href={`${HOME}?type=${encodeURIComponent(name)}`}>{name}</a>
                  </li>
                ))}
              </ul>
            )
            : (
              <Table
                caption="Actors"
                heads={["Actor", num("Events")]}
                empty="No actor of this type has such a key and events."
                rows={found.map(({ actor, version }) => [
                  <ActorLink actor={actor} />,
                  <a href={`${actorHref(actor)}#events`}>{version}</a>,
                ])}
              />
            )}
          {last && (
            <a class="button" href={`/console${pathOf(["actors"], { type, key, after: last.actor })}`}>
              More
            </a>
          )}
        </>
      ),
    );
  });

  actorPage(app, console);
}
