import { createDatabase, migrate, PlanRepository, PrivacyRepository, provisionLogin } from '@fedcarbon/persistence';
import { createAccountant } from '@fedcarbon/privacy';
import { sha256, systemClock, verifySignature } from '@fedcarbon/service';
import { randomBytes } from 'node:crypto';
import { Accountant } from './accountant.ts';
import { ExampleFederation } from './example-federation.support.ts';
import { PlanDirectory } from './plan-directory.ts';

export interface AccountantFigures {
  readonly clients: number;
  /** Reserve + commit, each verified, decided, signed and flushed to disk. */
  readonly pairs: number;
  readonly wallSeconds: number;
  readonly pairsPerSecond: number;
  readonly reserveMillis: { readonly p50: number; readonly p99: number };
  readonly commitMillis: { readonly p50: number; readonly p99: number };
}

/**
 * Measures reserve + commit of `clients` clients side by side, in process, on an empty database whose superuser or owner is `ownerUrl`; leave fsync on there.
 * The clients' own signatures are made before the clock starts; everything that the accountant does is inside.
 */
export async function benchAccountant(
  ownerUrl: string,
  { clients = 20, pairsPerClient = 100, poolSize = 16 } = {},
): Promise<AccountantFigures> {
  const login = { user: `bench_${randomBytes(6).toString('hex')}`, password: randomBytes(16).toString('hex') };
  await migrate(ownerUrl);
  await provisionLogin(ownerUrl, login.user, login.password, 'fc_accountant');
  const event = { kind: 'discreteGaussian', sigmaSquared: 65536, sensitivitySquared: 10, steps: 1 } as const;
  const federation = new ExampleFederation({ clients, budget: { epsilon: 10, delta: 1e-6 }, event });
  const owner = createDatabase({ url: ownerUrl, poolSize: 1 });
  await owner.transaction((session) => new PlanRepository(session).open(federation.newPlan(systemClock.nowMs())));
  await owner.close();

  const url = new URL(ownerUrl);
  [url.username, url.password] = [login.user, login.password];
  const database = createDatabase({ url: url.href, poolSize });
  const accountant = new Accountant({
    record: new PrivacyRepository(database.sql),
    plans: new PlanDirectory(new PlanRepository(database.session), sha256),
    composer: createAccountant(),
    signer: federation.accountant,
    verifySignature,
    clock: systemClock,
    reservationTtlMs: 60_000,
  });
  const requests = federation.holders.map((holder) => ({
    holder,
    rounds: Array.from({ length: pairsPerClient }, (_, i) => ({
      reserve: federation.reserve(holder, i + 1),
      commit: federation.commit(holder, i + 1),
    })),
  }));
  const reserveMillis: number[] = [];
  const commitMillis: number[] = [];
  const startedAt = performance.now();
  await Promise.all(
    requests.map(async ({ holder, rounds }) => {
      for (const { reserve, commit } of rounds) {
        const start = performance.now();
        const granted = await accountant.reserve(holder, reserve);
        const between = performance.now();
        const committed = await accountant.commit(holder, commit);
        commitMillis.push(performance.now() - between);
        reserveMillis.push(between - start);
        if (granted.kind !== 'granted' || committed.kind !== 'committed') {
          throw new Error(`expected a grant and a commit, got ${granted.kind} and ${committed.kind}`);
        }
      }
    }),
  );
  const wallSeconds = (performance.now() - startedAt) / 1000;
  await database.close();
  const pairs = clients * pairsPerClient;
  return {
    clients,
    pairs,
    wallSeconds,
    pairsPerSecond: pairs / wallSeconds,
    reserveMillis: percentiles(reserveMillis),
    commitMillis: percentiles(commitMillis),
  };
}

function percentiles(samples: readonly number[]): { p50: number; p99: number } {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
