// eslint-disable-next-line no-restricted-imports -- measures; not part of the library
import { cpuUsage, stdout } from 'node:process';
import { blockOf, Federation } from './federation.support.ts';
import { type Block, doubleMasking, graphFor, maskingCost, type Party, type SecureSum } from './index.ts';

/** Milliseconds of this process's CPU. */
const cpuMs = (): number => {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
};

interface Meter {
  ms: number;
}

function metered<Event, Effect, Standing>(
  party: Party<Event, Effect, Standing>,
  meter: Meter,
): Party<Event, Effect, Standing> {
  return {
    ...party,
    step(event) {
      const before = cpuMs();
      const after = party.step(event);
      meter.ms += cpuMs() - before;
      return { party: metered(after.party, meter), effects: after.effects };
    },
  };
}

/** CPU of clients and coordinator in one block without dropouts, on real cryptography: the setup, and the mean of `measured` rounds. */
function measure(block: Block, measured: number) {
  const clients = { ms: 0 };
  const coordinator = { ms: 0 };
  const masking = doubleMasking(block);
  const sum: SecureSum = {
    ...masking,
    client: (...args) => metered(masking.client(...args), clients),
    coordinator: (...args) => metered(masking.coordinator(...args), coordinator),
  };
  const federation = new Federation(block, sum);
  federation.setUp();
  const size = block.members.length;
  const setup = { client: clients.ms / size, coordinator: coordinator.ms };
  clients.ms = coordinator.ms = 0;
  const vectors = block.members.map((_, i) => new Int32Array(51).fill(i % 20));
  const before = cpuMs();
  for (let round = 0; round < measured; round++) {
    const { type } = federation.run(round, vectors, 14);
    if (type !== 'opened') throw new Error(`round ${round} was ${type}`);
  }
  const whole = cpuMs() - before;
  return {
    setup,
    client: clients.ms / size / measured,
    coordinator: coordinator.ms / measured,
    round: whole / measured,
  };
}

/**
 * node --conditions=source --import ./tools/ts.mjs libs/secure-sum/src/masking-bench.support.ts
 * CPU milliseconds, one core; bytes are message bodies of one client and round, setup spread over 25 rounds.
 */
stdout.write(
  'n     masks shares signatures | B up   B down | setup/client  client/round  coordinator/round  whole round (ms CPU)\n',
);
for (const clients of [20, 50, 100, 200, 500]) {
  const graph = graphFor({ clients, corruptFraction: 0.1, dropoutFraction: 0.1 });
  const cost = maskingCost({ clients, rounds: 25, graph, length: 51, bits: 14 });
  const block = blockOf(clients, { rounds: 25, graph, minSurvivors: Math.ceil(0.9 * clients) });
  const { setup, client, coordinator, round } = measure(block, clients > 100 ? 2 : 5);
  const counts = [cost.masksPerRound, cost.sharesPerRound, cost.signaturesPerRound].map((x) => String(x).padEnd(6));
  const bytes = [cost.bytesUp, cost.bytesDown].map((x) => x.toFixed(0).padEnd(6));
  const times = [setup.client, client, coordinator, round].map((x) => x.toFixed(2).padEnd(13));
  stdout.write(`${String(clients).padEnd(5)} ${counts.join(' ')}    | ${bytes.join(' ')} | ${times.join(' ')}\n`);
}
