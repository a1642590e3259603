import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type OutboxMessage, OutboxPump, type OutgoingMessage } from './index.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const HOUR_MS = 3_600_000;

/** An outbox table in memory. */
class Table {
  readonly rows: (OutboxMessage & { done: boolean })[] = [];
  failing = 0;

  add(subject: string): void {
    const id = BigInt(this.rows.length);
    const text = String(id);
    this.rows.push({
      id,
      subject,
      messageId: text,
      payload: new Uint8Array(),
      signature: new Uint8Array(),
      done: false,
    });
  }
  pending(limit: number): Promise<readonly OutboxMessage[]> {
    if (this.failing-- > 0) return Promise.reject(new Error('the database is away'));
    return Promise.resolve(this.rows.filter((row) => !row.done).slice(0, limit));
  }
  markPublished(ids: readonly bigint[]): Promise<void> {
    for (const id of ids) this.rows[Number(id)]!.done = true;
    return Promise.resolve();
  }
  get left(): number {
    return this.rows.filter((row) => !row.done).length;
  }
}

describe('OutboxPump', () => {
  const pumps: OutboxPump[] = [];
  const pump = (table: Table, publish: (message: OutgoingMessage) => Promise<unknown>, pollMs = HOUR_MS) => {
    const made = new OutboxPump({ owner: 'test', source: table, publish, logger: silent, pollMs });
    pumps.push(made);
    return made;
  };
  afterEach(async () => {
    await Promise.all(pumps.splice(0).map((made) => made.stop()));
  });

  it('publishes everything at least once and in order within each subject, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 20 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 4 }).map((n) => n === 0)),
        async (subjects, fails) => {
          const table = new Table();
          for (const subject of subjects) table.add(subject);
          const published: OutgoingMessage[] = [];
          let failures = 0;
          const made = pump(table, async (message) => {
            await Promise.resolve();
            if (failures < 2 && fails.next().value === true) {
              failures++;
              throw new Error('the broker is away');
            }
            published.push(message);
          });
          while (table.left > 0) await new Promise((resolve) => setTimeout(resolve, 1));
          await made.stop();
          for (const subject of ['a', 'b', 'c']) {
            const ids = published.filter((message) => message.subject === subject).map((message) => message.messageId);
            const written = table.rows.filter((row) => row.subject === subject).map((row) => row.messageId);
            expect(ids).toEqual(written);
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  it('looks at once when poked, also when the poke comes while it publishes', async () => {
    const table = new Table();
    const seen: string[] = [];
    const made = pump(table, (message) => {
      seen.push(message.messageId);
      if (seen.length === 1) {
        table.add('late');
        made.poke();
      }
      return Promise.resolve();
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    table.add('first');
    made.poke();
    while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(seen).toEqual(['0', '1']);
  });

  it('finds what nobody poked it for, and survives an absent database', async () => {
    const table = new Table();
    table.failing = 2;
    pump(table, () => Promise.resolve(), 5);
    await new Promise((resolve) => setTimeout(resolve, 2));
    table.add('quiet');
    while (table.left > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(table.failing).toBeLessThan(0);
  });

  it('publishes different subjects side by side', async () => {
    const table = new Table();
    for (let i = 0; i < 20; i++) table.add(`subject ${String(i)}`);
    let waiting = 0;
    let release: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      release = resolve;
    });
    pump(table, () => {
      if (++waiting === 20) release();
      return all;
    });
    while (table.left > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(waiting).toBe(20);
  });
});
