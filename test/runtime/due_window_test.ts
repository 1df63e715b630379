import { expect, test } from "vitest";
import { type DueKey, DueWindow } from "../../src/runtime/due_window.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

const READ_MS = 10;

/** A disk whose reads take their time, and bring one item each: as pages of long ones do. */
class Disk {
  readonly clock = new VirtualClock(0);
  readonly handedOver: { order: number; at: number }[] = [];
  #items: { at: number; order: number }[] = [];
  readonly window = new DueWindow<{ at: number; order: number }>(this.clock, 60_000, {
    keyOf: (item) => item,
    read: async ({ after, upTo }) => {
      const found = this.#items.filter((item) => isBehind(after, item) && item.at <= upTo);
      await new Promise<void>((resolve) => this.clock.after(READ_MS, resolve));
      const items = found.toSorted((a, b) => a.at - b.at || a.order - b.order).slice(0, 1);
      return { items, reached: found.length > 1 ? items[0] : undefined };
    },
    next: (after) => {
      const times = this.#items.filter(({ at }) => at > after).map(({ at }) => at);
      return Promise.resolve(times.length > 0 ? Math.min(...times) : undefined);
    },
    due: ({ order }) => {
      if (this.handedOver.some((each) => each.order === order)) return;
      this.handedOver.push({ order, at: this.clock.now() });
      this.#items = this.#items.filter((item) => item.order !== order);
    },
    failed: (error) => {
      throw error;
    },
  }, { at: -1, order: 0 });

  write(at: number, order: number) {
    this.#items.push({ at, order });
  }

  add(at: number, order: number) {
    this.write(at, order);
    this.window.add({ at, order });
  }
}

function isBehind(after: DueKey, { at, order }: { at: number; order: number }): boolean {
  return at > after.at || (at === after.at && order > Number(after.order));
}

// Would catch a part of one long item that waits until what was added meanwhile has had its time.
test("what is on the disk comes in its time, whatever later things were added while a part was read", async () => {
  const disk = new Disk();
  for (let order = 1; order <= 5; order++) disk.write(order * 1_000, order);
  const running = disk.window.runOnce().then(() => disk.window.start());
  for (let order = 101; order <= 110; order++) disk.add(50_000, order);
  await disk.clock.advance("40s");
  await running;
  expect(disk.handedOver).toEqual(
    [1, 2, 3, 4, 5].map((order) => ({ order, at: order * 1_000 + expectedLate(order) })),
  );
  await disk.clock.advance("20s");
  expect(disk.handedOver.map(({ order }) => order).slice(5)).toEqual(
    Array.from({ length: 10 }, (_, index) => 101 + index),
  );
});

/** The first two are read before their time. */
function expectedLate(_order: number): number {
  return 0;
}

// Would catch what was added while others are read overtaking those that came before it and are not read yet.
test("what is added while others are read does not overtake those before it that are still on the disk", async () => {
  const disk = new Disk();
  for (let order = 1; order <= 5; order++) disk.write(15, order);
  const running = disk.window.runOnce().then(() => disk.window.start());
  for (let order = 6; order <= 8; order++) disk.add(15, order);
  await disk.clock.advance("1s");
  await running;
  expect(disk.handedOver.map(({ order }) => order)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("what is added while nothing can be read is handed over once there was a read", async () => {
  const disk = new Disk();
  disk.write(5, 1);
  const running = disk.window.runOnce().then(() => disk.window.start());
  disk.add(6, 2);
  await disk.clock.advance(READ_MS - 1);
  expect(disk.handedOver).toEqual([]);
  await disk.clock.advance(READ_MS);
  await running;
  expect(disk.handedOver.map(({ order }) => order)).toEqual([1, 2]);
});
