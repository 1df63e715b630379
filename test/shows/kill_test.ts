/**
 * Would catch what virtual time cannot show: a real process with real files that is killed in the middle of many
 * bookings, and sagas that are built again from their journals while much else goes on.
 */
import { expect, test } from "vitest";
import { start, temporaryFolder } from "../server/support.ts";
import { fullCount } from "./full_count.ts";

const cards = ["card-good", "card-fails-twice", "card-declines", "card-good"] as const;
const BOOKINGS_PER_LIFE = 12;
const LIVES = fullCount(3, 10);

interface Booking {
  readonly id: string;
  readonly card: string;
}

test.each([1, 3])(
  "killed again and again among many bookings, %i shards: each is all or nothing",
  async (shards) => {
    const data = temporaryFolder();
    const env = { FOLIO_DATA: data, FOLIO_SHARDS: String(shards), PAYMENTS_URL: "", SMTP_URL: "" };
    const bookings: Booking[] = [];
    let server = await start(env);
    const book = ({ id, card }: Booking) =>
      server.post(`/sagas/booking/${id}`, { customer: id, seat: `seat-${id}`, card });
    for (let life = 1; life <= LIVES; life++) {
      for (let n = 0; n < BOOKINGS_PER_LIFE; n++) {
        bookings.push({
          id: `b${bookings.length}`,
          card: cards[bookings.length % cards.length] ?? "card-good",
        });
      }
      // Killed with the answer to one of them, and in another place each time.
      const killAfter = (life * 5) % BOOKINGS_PER_LIFE;
      let answers = 0;
      await Promise.all(
        bookings.slice(-BOOKINGS_PER_LIFE).map(async (booking) => {
          const answer = await book(booking).catch(() => undefined);
          await answer?.body?.cancel().catch(() => {});
          if (answers++ === killAfter) server.kill("SIGKILL");
        }),
      );
      await server.ended;
      server = await start(env);
      for (const booking of bookings) {
        const answer = await book(booking);
        await answer.body?.cancel();
        expect(answer.status, booking.id).toBe(202);
      }
    }
    const charges = new Map<string, number>();
    for (const { id, card } of bookings) {
      const ended = await fetch(`${server.url}/sagas/booking/${id}`, { headers: { prefer: "wait=30" } });
      const { status, result, error } = await ended.json();
      const { holder } = (await server.json(`/actors/seat/seat-${id}`)).state;
      expect({ id, status, error }).toMatchObject(
        card === "card-declines"
          ? { status: "failed", error: { code: "card-declined" } }
          : { status: "completed", error: undefined },
      );
      if (status === "completed") {
        expect(holder, id).toMatchObject({ by: id, heldUntil: null });
        charges.set(result.charge, 0);
      } else expect(holder, id).toBeNull();
    }
    for (const line of Deno.readTextFileSync(`${data}/payments.jsonl`).trimEnd().split("\n")) {
      const { kind, id }: { kind: string; id: string } = JSON.parse(line);
      expect(kind).not.toBe("refunded");
      if (kind === "charged") charges.set(id, (charges.get(id) ?? 0) + 1);
    }
    // Each completed booking has a charge of its own, made once, and there are no others.
    expect(charges.size).toBe(bookings.filter(({ card }) => card !== "card-declines").length);
    expect([...charges.values()].every((count) => count === 1)).toBe(true);
    expect((await server.stop()).code).toBe(0);
  },
  120_000,
);
