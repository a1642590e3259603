import { decide } from '@fedcarbon/privacy';
import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { FaultPoint } from './ports.ts';
import { FakeAccountant } from './fake-accountant.support.ts';
import { testFederation } from './example-federation.support.ts';
import { digestOf, Site } from './site.support.ts';

jest.setTimeout(60_000);

const federation = testFederation(['alder']);
const { event } = federation.plan.recipe;
/** Room for three rounds. */
const { epsilonAfter } = decide({ history: [event, event], event, cap: { epsilon: 1, delta: 1e-5 } });
const CHARGES = 3;

const index = fc.integer({ min: 1, max: 4 });
const points: FaultPoint[] = ['after-reserve', 'after-prepare', 'after-commit', 'after-committed', 'after-publish'];
const move = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('task' as const), index }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('crash' as const), index, at: fc.constantFrom(...points) }) },
  fc.record({ kind: fc.constantFrom('wipe' as const, 'expire' as const, 'resume' as const, 'send' as const) }),
  fc.record({ kind: fc.constant('receipt' as const), index: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('outage' as const), index }),
);

describe('whatever happens to a holder', () => {
  it('nothing leaves uncharged, no attempt has two digests, and the own cap holds although the accountant grants everything', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 3, maxLength: 14 }), async (moves) => {
        const accountant = new FakeAccountant(federation);
        const site = await Site.open(federation, accountant, { records: 3, epsilon: epsilonAfter });
        const task = (i: number) => site.trainer.onTask(federation.open(i)).catch(() => undefined);
        try {
          for (const step of moves) {
            site.nowMs += 1500;
            switch (step.kind) {
              case 'task':
                await task(step.index);
                break;
              case 'crash':
                site.crashAt = step.at;
                await task(step.index);
                await site.restart();
                break;
              case 'outage':
                site.unreachable = true;
                await task(step.index);
                site.unreachable = false;
                break;
              case 'wipe':
                await site.wipeJournal();
                break;
              case 'expire':
                accountant.expire();
                break;
              case 'resume':
                await site.trainer.resume();
                break;
              case 'send':
                await site.sender.sendDue();
                break;
              case 'receipt': {
                const update = site.updates()[step.index];
                if (update === undefined) break;
                const { holder, roundId, attempt } = update;
                const sent = { holder, roundId, attempt, updateDigest: digestOf(update) };
                const receipt = { ...sent, verdict: 'accepted' as const };
                // An update of a wiped journal that has not been rebuilt yet is unknown to it.
                await site.trainer.onReceipt(federation.receipt(receipt)).catch(() => undefined);
              }
            }
          }
          const charges = accountant.charges();
          const left = site.updates().map((update) => {
            return `${update.roundId.split('-')[1] ?? ''}/${String(update.attempt)}=${digestOf(update)}`;
          });
          for (const update of left) expect(charges).toContain(update);
          const attempts = [...new Set(left)].map((update) => update.split('=')[0]);
          expect(new Set(attempts).size).toBe(attempts.length);
          expect(charges.length).toBeLessThanOrEqual(CHARGES);
        } finally {
          await site.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});
