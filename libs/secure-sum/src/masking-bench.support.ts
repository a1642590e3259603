// eslint-disable-next-line no-restricted-imports -- measures; not part of the library
import { cpuUsage, hrtime } from 'node:process';
import { SEED_BYTES, type SecureSumCrypto } from './crypto.ts';
import { blockOf, Federation, nodeSuite } from './federation.support.ts';
import { doubleMasking, type Graph, graphFor, type Party, type SecureSum } from './index.ts';
import { HEADER_BYTES } from './v1/bytes-cursor.ts';

/** Of a block, and the vectors of `ecebd-20`. */
const ROUNDS = 25;
const LENGTH = 51;
const BITS = 14;

/** Means over all clients. */
interface Costs {
  /** Milliseconds of CPU. */
  readonly clientMs: number;
  /** Of the one coordinator. */
  readonly coordinatorMs: number;
  /** Of message bodies. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** What one block without dropouts took, all parties in this thread, one after the other. */
export interface MaskingFigures {
  readonly graph: Graph;
  readonly setup: Costs;
  /** Means over the rounds that were run. Masks are those that a client expanded, shares those that it gave, signatures those that it verified. */
  readonly round: Costs & { readonly masks: number; readonly shares: number; readonly signatures: number };
  readonly roundsRun: number;
  /** Of the setup and all 25 rounds, extrapolated when fewer were run: by the clock, and CPU of this process. */
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** Sets a block up that withstands a tenth of dishonest and a tenth of lost clients, and runs its 25 rounds, or those that begin within `mostSeconds` after it. */
export function benchMasking(clients: number, crypto: SecureSumCrypto, mostSeconds: number): MaskingFigures {
  const graph = graphFor({ clients, corruptFraction: 0.1, dropoutFraction: 0.1 });
  const block = blockOf(clients, { rounds: ROUNDS, graph, minSurvivors: Math.ceil(0.9 * clients) });
  const spent = { client: 0, coordinator: 0, masks: 0, signatures: 0 };
  const counted: SecureSumCrypto = {
    ...crypto,
    chacha20: (...args) => (spent.masks++, crypto.chacha20(...args)),
    verifySignature: (...args) => (spent.signatures++, crypto.verifySignature(...args)),
  };
  const masking = doubleMasking(block);
  const sum: SecureSum = {
    ...masking,
    client: (member, parts, facts) =>
      metered(masking.client(member, { ...parts, crypto: counted }, facts), (ms) => (spent.client += ms)),
    coordinator: (...args) => metered(masking.coordinator(...args), (ms) => (spent.coordinator += ms)),
  };
  const federation = new Federation(block, sum, {}, { suite: { ...nodeSuite, crypto } });
  const read = () => ({ ...spent, up: total(federation.traffic.up), down: total(federation.traffic.down) });
  const costs = (before: ReturnType<typeof read>, times: number): Costs => {
    const after = read();
    return {
      clientMs: (after.client - before.client) / clients / times,
      coordinatorMs: (after.coordinator - before.coordinator) / times,
      bytesUp: (after.up - before.up) / clients / times,
      bytesDown: (after.down - before.down) / clients / times,
    };
  };

  const start = seconds();
  const nothing = read();
  if (!federation.setUp()) throw new Error('the block was not set up');
  const setup = costs(nothing, 1);
  const begun = seconds();
  const ready = read();
  const vectors = block.members.map((_, i) => new Int32Array(LENGTH).fill(i % 20));
  let roundsRun = 0;
  for (; roundsRun < ROUNDS && seconds().wall - begun.wall < mostSeconds; roundsRun++) {
    const { type } = federation.run(roundsRun, vectors, BITS);
    if (type !== 'opened') throw new Error(`round ${roundsRun} was ${type}`);
  }
  const end = seconds();
  const whole = (of: 'wall' | 'cpu'): number => begun[of] - start[of] + ((end[of] - begun[of]) / roundsRun) * ROUNDS;
  const perClient = (count: number): number => count / clients / roundsRun;
  const shares = federation.sent
    .filter(({ kind }) => kind === 'answer')
    .reduce((count, { message }) => count + (message.length - HEADER_BYTES - 2) / SEED_BYTES, 0);
  return {
    graph,
    setup,
    round: {
      ...costs(ready, roundsRun),
      masks: perClient(spent.masks - ready.masks),
      shares: perClient(shares),
      signatures: perClient(spent.signatures - ready.signatures),
    },
    roundsRun,
    wallSeconds: whole('wall'),
    cpuSeconds: whole('cpu'),
  };
}

/** The party, and what the CPU of this process spent on each of its steps. */
function metered<Event, Effect, Standing>(
  party: Party<Event, Effect, Standing>,
  spend: (ms: number) => void,
): Party<Event, Effect, Standing> {
  return {
    ...party,
    step(event) {
      const before = cpuUsage();
      const after = party.step(event);
      const { user, system } = cpuUsage(before);
      spend((user + system) / 1000);
      return { party: metered(after.party, spend), effects: after.effects };
    },
  };
}

function seconds(): { readonly wall: number; readonly cpu: number } {
  const { user, system } = cpuUsage();
  return { wall: Number(hrtime.bigint()) / 1e9, cpu: (user + system) / 1e6 };
}

function total(list: readonly number[]): number {
  return list.reduce((sum, one) => sum + one, 0);
}
