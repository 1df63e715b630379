/**
 * The HTTP baseline: Hono with the route of a command, which parses the body and answers JSON of the size of
 * a real reply, and does nothing else.
 */
import { Hono } from "hono";

const app = new Hono();
let position = 0;

app.post("/actors/:type/:key/:command", async (c) => {
  const { type, key } = c.req.param();
  const input: { by: number } = await c.req.json();
  position++;
  return c.json({
    messageId: "0mabcdefghijklmnopqr",
    actor: `${type}/${key}`,
    version: input.by,
    position,
    reply: { value: position },
  });
});

Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` })),
}, app.fetch);
