// Ledgers whose hashes and signatures are all in order, but that tell of something that must not have happened.
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { toBase64Url } from '@fedcarbon/kernel';
import type { LedgerEntry, PrivacyCommitted, RoundClosed } from '../entries.ts';
import { EVENT, HOLDERS, LedgerScript, exportOf, pack, planOf, signReceipt, toyKeys } from '../sound-ledger.support.ts';
import { verifyLedger } from './index.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const { keys, options } = toyKeys(sha256);
const verify = (entries: readonly LedgerEntry[]) => verifyLedger(exportOf(keys, entries), options);

/** Verdict and texts of the findings. */
function outcomeOf(entries: readonly LedgerEntry[]) {
  const { verdict, findings } = verify(entries);
  return { verdict, what: findings.map(({ what }) => what) };
}
const tamperedWith = (...texts: string[]) => ({
  verdict: 'tampered',
  what: expect.arrayContaining(texts.map((text) => expect.stringContaining(text))),
});

const script = (plan = planOf(keys)) => new LedgerScript(keys, plan);
const oneRound = () =>
  script()
    .openRound('model')
    .commit(...HOLDERS)
    .closeRound(HOLDERS);

/** One released round whose closing entry (and what is before it) is changed. */
function oneRoundWith(change: (closed: RoundClosed, charges: LedgerEntry[]) => readonly LedgerEntry[]): LedgerEntry[] {
  const entries = oneRound().entries;
  return [...entries.slice(0, 2), ...change(entries.at(-1) as RoundClosed, entries.slice(2, -1))];
}

describe('charges', () => {
  it('must come before the round closes', () => {
    const late = oneRoundWith((closed, [first, ...others]) => [...others, closed, first!]);
    expect(outcomeOf(late)).toEqual(tamperedWith('counts anna without a charge for attempt 1 before its close'));
  });

  it('must be there at all', () => {
    const missing = oneRoundWith((closed, [, ...others]) => [...others, closed]);
    expect(outcomeOf(missing)).toEqual(tamperedWith('counts anna without a charge'));
  });

  it('must be for the update that is counted', () => {
    const other = oneRoundWith((closed, [first, ...others]) => [
      { ...(first as PrivacyCommitted), updateDigest: '0'.repeat(64) },
      ...others,
      closed,
    ]);
    expect(outcomeOf(other)).toEqual(tamperedWith('counts anna with another update than was charged'));
  });

  it('must be for the attempt that is counted', () => {
    const attempt = oneRoundWith((closed, [first, ...others]) => [
      { ...(first as PrivacyCommitted), attempt: 2 },
      ...others,
      closed,
    ]);
    expect(outcomeOf(attempt)).toEqual(tamperedWith('counts anna without a charge for attempt 1'));
  });

  it('must be for the event of the round', () => {
    const cheap = oneRoundWith((closed, [first, ...others]) => [
      { ...(first as PrivacyCommitted), event: { ...EVENT, sigmaSquared: 10_000 } },
      ...others,
      closed,
    ]);
    expect(outcomeOf(cheap)).toEqual(tamperedWith('the charged event is not the event of round'));
  });

  it('have one digest for one attempt, and one entry', () => {
    const twice = (digest?: string) =>
      oneRoundWith((closed, [first, ...others]) => {
        const again = { ...(first as PrivacyCommitted), ...(digest ? { updateDigest: digest } : {}) };
        return [again, first!, ...others, closed];
      });
    expect(outcomeOf(twice('0'.repeat(64)))).toEqual(tamperedWith('is charged for two different updates'));
    expect(outcomeOf(twice())).toEqual(tamperedWith('is charged twice'));
  });

  it('are only made to members, for their data set, in a round that is open or was', () => {
    const change = (fields: Partial<PrivacyCommitted>) =>
      oneRoundWith((closed, charges) => [
        ...charges,
        { ...(charges[0] as PrivacyCommitted), attempt: 2, ...fields },
        closed,
      ]);
    expect(outcomeOf(change({ holder: 'zoe' }))).toEqual(tamperedWith('zoe is not in the plan'));
    expect(outcomeOf(change({ dataset: 'other' }))).toEqual(
      tamperedWith('anna is not in the plan with data set other'),
    );
    expect(outcomeOf(change({ roundId: 'x-1' }))).toEqual(
      tamperedWith('a charge to round x-1, which was not opened before'),
    );
    expect(outcomeOf(change({ planHash: '0'.repeat(64) }))).toEqual(
      tamperedWith('is under a plan that was never opened'),
    );
    expect(outcomeOf(change({})).verdict).toBe('sound');
  });
});

describe('budgets', () => {
  // Three rounds at sigma^2 144 and sensitivity^2 3 have mu = 0.25: epsilon 0.92634 at delta 1e-5 (dp_accounting 0.6.0, analytic Gaussian of sigma 4).
  const rounds = (count: number, from: LedgerScript) => {
    for (let i = 0; i < count; i++)
      from
        .openRound('model')
        .commit(...HOLDERS)
        .closeRound(HOLDERS);
    return from;
  };

  it('must not be exceeded', () => {
    expect(outcomeOf(rounds(3, script(planOf(keys, 0.927))).entries).verdict).toBe('sound');
    expect(outcomeOf(rounds(3, script(planOf(keys, 0.926))).entries)).toEqual(
      tamperedWith(...HOLDERS.map((holder) => `${holder} (${holder}-stock) spent epsilon 0.9263`)),
    );
  });

  it('pay for the distance of summed noise shares before anything else', () => {
    const shared = (noiseDistanceDelta: number, changes: object = {}) => {
      const shareSigmaSquared = { model: 72, benchmarks: 72 };
      const secureSum = { minSurvivors: 3, maxColluding: 1, shareSigmaSquared, noiseDistanceDelta, ...changes };
      const plan = planOf(keys, 0.927);
      return outcomeOf(rounds(3, script({ ...plan, privacy: { ...plan.privacy, secureSum } } as typeof plan)).entries);
    };
    // At variance 72 the sum of two shares is within 1e-300 of the event.
    expect(shared(1e-300).verdict).toBe('sound');
    expect(shared(9e-6)).toEqual(tamperedWith('anna (anna-stock) spent epsilon'));
    expect(shared(1e-300, { maxColluding: 2 })).toEqual(
      tamperedWith(
        "1 honest survivors' shares of the model noise add up to variance 72, the event says 144",
        "1 honest survivors' shares of the benchmarks noise add up to variance 72, the event says 144",
      ),
    );
    const coarse = { minSurvivors: 300, maxColluding: 0, shareSigmaSquared: { model: 0.5, benchmarks: 0.5 } };
    expect(shared(1e-300, coarse)).toEqual(
      tamperedWith(
        'sums of 3 may be released, the noise is that of 300 survivors at least',
        'noiseDistanceDelta is 1e-300, the sums of shares are up to',
      ),
    );
  });

  it('count attempts that never arrived', () => {
    const lost = script(planOf(keys, 0.926))
      .openRound('model')
      .commit('anna', 'anna', 'anna', 'ben', 'carl')
      .closeRound(['anna', 'ben', 'carl']);
    expect(outcomeOf(lost.entries)).toEqual(tamperedWith('anna (anna-stock) spent epsilon 0.9263'));
  });

  it('belong to the data set: a second plan goes on with the same history', () => {
    const first = rounds(2, script(planOf(keys, 0.926))).complete('ended_early');
    const second = (budget: number) =>
      new LedgerScript(keys, { ...planOf(keys, budget), name: 'again' }, first.entries);
    expect(outcomeOf(rounds(1, second(2)).entries).verdict).toBe('sound');
    expect(outcomeOf(rounds(1, second(0.926)).entries)).toEqual(tamperedWith('anna (anna-stock) spent epsilon 0.9263'));
    const { clients } = verify(rounds(1, second(2)).entries);
    expect(clients).toHaveLength(HOLDERS.length);
    expect(clients[0]).toMatchObject({ budget: 2, epsilon: verify(rounds(3, script()).entries).clients[0]!.epsilon });
  });

  it('that cannot be recomputed leave the ledger incomplete', () => {
    const plan = planOf(keys);
    const entries = rounds(1, script({ ...plan, privacy: { ...plan.privacy, delta: 1e-15 } })).entries;
    expect(outcomeOf(entries)).toEqual({
      verdict: 'incomplete',
      what: [expect.stringContaining('epsilon cannot be recomputed')],
    });
  });

  it('are not covered by an event that is too small for what a round releases', () => {
    const plan = planOf(keys);
    const recipe = { ...plan.recipe, event: { ...EVENT, sensitivitySquared: 2 } };
    expect(outcomeOf(script({ ...plan, recipe }).entries)).toEqual(
      tamperedWith("the plan's model event does not cover one release of squared sensitivity 3"),
    );
    const margins = plan.benchmarks.layout.margins.map((margin) => ({
      ...margin,
      histograms: [...margin.histograms, [2, 12, 22]],
    }));
    const benchmarks = { ...plan.benchmarks, layout: { margins } };
    expect(outcomeOf(script({ ...plan, benchmarks }).entries)).toEqual(
      tamperedWith("the plan's benchmarks event does not cover one release of squared sensitivity 4"),
    );
  });
});

describe('receipts', () => {
  const withReceipt = (change: (verdict: RoundClosed['verdicts'][number]) => unknown) =>
    oneRoundWith((closed, charges) => {
      const [first, ...others] = closed.verdicts;
      return [...charges, { ...closed, verdicts: [change(first!), ...others] } as RoundClosed];
    });

  it('must be signed by the region of the holder', () => {
    expect(outcomeOf(withReceipt(({ receipt }) => signReceipt(keys, { ...receipt, region: 'south' })))).toEqual(
      tamperedWith('is by region south, where it is not a member'),
    );
    expect(outcomeOf(withReceipt(({ receipt }) => signReceipt(keys, { ...receipt, region: 'west' })))).toEqual(
      tamperedWith('is by region west, which the plan does not have'),
    );
    const { signature } = oneRound()
      .entries.flatMap((e) => (e.kind === 'round.closed' ? e.verdicts : []))
      .at(-1)!;
    expect(outcomeOf(withReceipt(({ receipt }) => ({ receipt, signature })))).toEqual(
      tamperedWith('is not signed by region north'),
    );
  });

  it('must accept what is counted', () => {
    const late = withReceipt(({ receipt }) => signReceipt(keys, { ...receipt, verdict: 'late' }));
    expect(outcomeOf(late)).toEqual(tamperedWith('counts anna without an accepting receipt'));
    const other = withReceipt(({ receipt }) => signReceipt(keys, { ...receipt, updateDigest: '0'.repeat(64) }));
    expect(outcomeOf(other)).toEqual(tamperedWith('counts anna without an accepting receipt'));
    const elsewhere = withReceipt(({ receipt }) => signReceipt(keys, { ...receipt, roundId: 'x-1' }));
    expect(outcomeOf(elsewhere)).toEqual(tamperedWith('the receipt for anna is for another plan or round'));
  });

  it('may reject what a member of another region sent', () => {
    const rejected = oneRoundWith((closed, charges) => {
      const { receipt } = closed.verdicts[0]!;
      const stray = signReceipt(keys, { ...receipt, region: 'south', verdict: 'rejected', reason: 'not a member' });
      return [...charges, { ...closed, verdicts: [...closed.verdicts, stray] }];
    });
    expect(outcomeOf(rejected).verdict).toBe('sound');
  });

  it('and participants are one per holder', () => {
    const twice = oneRoundWith((closed, charges) => [
      ...charges,
      {
        ...closed,
        participants: [...closed.participants, closed.participants[0]!],
        verdicts: [...closed.verdicts, closed.verdicts[0]!],
      },
    ]);
    expect(outcomeOf(twice)).toEqual(tamperedWith('has anna accepted twice', 'has anna counted twice'));
  });
});

describe('rounds', () => {
  const closedWith = (fields: Partial<RoundClosed>) =>
    oneRoundWith((closed, charges) => [...charges, { ...closed, ...fields }]);

  it('follow one another', () => {
    expect(outcomeOf(script().openRound('model').openRound('model').entries)).toEqual(
      tamperedWith('opens while round'),
    );
    const [, opened] = oneRound().entries;
    expect(outcomeOf([...oneRound().entries, opened!])).toEqual(tamperedWith('is opened a second time'));
    expect(outcomeOf([...oneRound().entries, oneRound().entries.at(-1)!])).toEqual(
      tamperedWith('is closed a second time'),
    );
    expect(outcomeOf(oneRound().entries.toSpliced(1, 1))).toEqual(tamperedWith('closes but was never opened'));
    expect(outcomeOf(oneRound().complete('ended_early').openRound('model').entries)).toEqual(
      tamperedWith('opens after its federation was completed'),
    );
    const gap = script()
      .openRound('model')
      .entries.map((entry) => ('index' in entry ? { ...entry, index: 2 } : entry));
    expect(outcomeOf(gap)).toEqual(tamperedWith('has index 2, round 1 of plan'));
  });

  it('are released with a quorum only', () => {
    const few = closedWith({});
    const closed = few.at(-1) as RoundClosed;
    const rewritten = few.with(-1, { ...closed, participants: closed.participants.slice(0, 2) });
    expect(outcomeOf(rewritten)).toEqual(tamperedWith("was released with 2 participants, the plan's quorum is 3"));
  });

  it('have an aggregate of their width and length', () => {
    const aggregate = (residues: number, bits: number) => toBase64Url(pack(new Array<number>(residues).fill(0), bits));
    expect(outcomeOf(closedWith({ aggregate: aggregate(7, 11) }))).toEqual(
      tamperedWith('has an aggregate that has 11 bits'),
    );
    expect(outcomeOf(closedWith({ aggregate: aggregate(8, 10) }))).toEqual(
      tamperedWith('has an aggregate that has 8 integers'),
    );
    expect(outcomeOf(closedWith({ aggregate: aggregate(7, 10) }))).toEqual(tamperedWith('leads to model'));
    const benchmarks = script()
      .openRound('benchmarks')
      .commit(...HOLDERS)
      .closeRound(HOLDERS).entries;
    const wrong = { ...(benchmarks.at(-1) as RoundClosed), aggregate: aggregate(10, 9) };
    expect(outcomeOf(benchmarks.with(-1, wrong))).toEqual(tamperedWith('has an aggregate that has 10 integers'));
  });

  it('are not more than the plan has', () => {
    const five = script();
    for (let i = 0; i < 5; i++)
      five
        .openRound('model')
        .commit(...HOLDERS)
        .closeRound(HOLDERS);
    expect(outcomeOf(five.entries)).toEqual(tamperedWith('is a model round more than the plan has'));
  });
});

describe('publications', () => {
  it('of a model state the epsilon that its charges compose to', () => {
    const published = (factor: number) =>
      oneRound()
        .publishModel(1)
        .entries.map((entry) =>
          entry.kind === 'model.published' ? { ...entry, epsilon: entry.epsilon * factor } : entry,
        );
    expect(verify(published(1)).models).toHaveLength(1);
    expect(outcomeOf(published(0.995)).verdict).toBe('sound');
    expect(outcomeOf(published(0.98))).toEqual(tamperedWith('model 1 states epsilon'));
    expect(outcomeOf(published(1.02))).toEqual(tamperedWith('model 1 states epsilon'));
    expect(verify(published(0.5)).models).toEqual([]);
  });

  it('of a model may not have seen a late charge to its own round, but every earlier one', () => {
    const publish = (late: LedgerScript) => late.publishModel(1).entries;
    const stated = publish(oneRound()).at(-1)!;
    const late = publish(oneRound().commit('anna')).with(-1, stated);
    expect(outcomeOf(late).verdict).toBe('sound');
    const second = (first: LedgerScript) =>
      first
        .openRound('model')
        .commit(...HOLDERS)
        .closeRound(HOLDERS);
    const ignored = publish(second(oneRound().commit('anna'))).with(-1, publish(second(oneRound())).at(-1)!);
    expect(outcomeOf(ignored)).toEqual(tamperedWith('model 1 states epsilon'));
  });

  it('come in order, after what they publish', () => {
    expect(outcomeOf(oneRound().publishModel(2).publishModel(2).entries)).toEqual(
      tamperedWith('comes after version 2'),
    );
    expect(outcomeOf(oneRound().publishBenchmarks().entries)).toEqual(
      tamperedWith('which is no released benchmark round'),
    );
    const abandoned = script().openRound('benchmarks').commit('anna').closeRound(['anna']);
    expect(outcomeOf(abandoned.publishBenchmarks().entries)).toEqual(
      tamperedWith('which is no released benchmark round'),
    );
  });
});

describe('completions', () => {
  it('say how it ended', () => {
    expect(outcomeOf(oneRound().complete('ended_early').entries).verdict).toBe('sound');
    expect(outcomeOf(oneRound().complete('planned').entries)).toEqual(tamperedWith('is called planned'));
    expect(outcomeOf(script().openRound('model').complete('ended_early').entries)).toEqual(
      tamperedWith('leaves round'),
    );
    expect(outcomeOf(oneRound().complete('ended_early').complete('ended_early').entries)).toEqual(
      tamperedWith('is recorded a second time'),
    );
  });
});

describe('plans', () => {
  const plan = planOf(keys);

  it('are opened once, under their own hash, with the expected keys', () => {
    const [opened] = script().entries;
    expect(outcomeOf([opened!, opened!])).toEqual(tamperedWith('is opened a second time'));
    const other = { ...plan.keys, checkpoint: toBase64Url(keys.signer('other').publicKey) };
    expect(outcomeOf(script({ ...plan, keys: other }).entries)).toEqual(tamperedWith('which is not the expected key'));
    expect(outcomeOf([{ ...opened, keys: { ...plan.keys, global: other.checkpoint } } as LedgerEntry])).toEqual(
      tamperedWith("the entry's keys are not the plan's"),
    );
  });

  it('list a holder once and have a form this verifier knows', () => {
    const [north, south] = plan.regions as [(typeof plan.regions)[0], (typeof plan.regions)[0]];
    const twice = { ...south, members: [...south.members, north.members[0]!] };
    expect(outcomeOf(script({ ...plan, regions: [north, twice] }).entries)).toEqual(
      tamperedWith('the plan lists anna twice'),
    );
    const recipe = { ...plan.recipe, event: { ...EVENT, sigmaSquared: 0.01 } };
    expect(outcomeOf(script({ ...plan, recipe }).entries)).toEqual(
      tamperedWith('a positive multiple of 1/64, found 0.01'),
    );
    expect(outcomeOf(script({ ...plan, version: 2 }).entries)).toEqual(tamperedWith('plan.version must be 1, found 2'));
  });
});
