import { COMMIT_REQUEST_V1, RESERVE_REQUEST_V1, type SignedBytes, signStatement } from '@fedcarbon/contracts';
import { InvalidInputError, utf8 } from '@fedcarbon/kernel';
import { createAccountant } from '@fedcarbon/privacy';
import { healthModule, sha256, verifySignature } from '@fedcarbon/service';
import { FakeClock } from '@fedcarbon/testing';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { Accountant, type AccountantParts } from './accountant.ts';
import { AccountantController } from './accountant.controller.ts';
import { ExampleFederation } from './example-federation.support.ts';
import { PlanDirectory } from './plan-directory.ts';
import { PrivacyAccountantModule } from './privacy-accountant.module.ts';

const event = { kind: 'discreteGaussian', sigmaSquared: 128, sensitivitySquared: 2, steps: 1 } as const;
const options = { clients: 2, budget: { epsilon: 1, delta: 1e-5 }, event };
const federation = new ExampleFederation(options);
const elsewhere = new ExampleFederation(options);
const stored = new Map([federation, elsewhere].map((one) => [one.planHash, one.newPlan(1)]));

const untouched = () => {
  throw new Error('the record must not be touched');
};
const parts: AccountantParts = {
  record: { reserve: untouched, find: untouched, charge: untouched, history: untouched },
  plans: new PlanDirectory(
    {
      find: (planHash) => {
        const plan = stored.get(planHash);
        return Promise.resolve(plan && { ...plan, status: 'open' as const });
      },
      latestMembership: (holder) =>
        Promise.resolve(
          holder === 'holder-01'
            ? { planHash: federation.planHash, publicKey: federation.signer(holder).publicKey }
            : undefined,
        ),
    },
    sha256,
  ),
  composer: createAccountant(),
  signer: federation.accountant,
  verifySignature,
  clock: new FakeClock(),
  reservationTtlMs: 60_000,
};

describe('Accountant refuses, before it touches the record,', () => {
  const accountant = new Accountant(parts);
  const reserveAs = (holder: string, change: object): SignedBytes => {
    const request = JSON.parse(new TextDecoder().decode(federation.reserve(holder, 1).payload)) as never;
    return signStatement(RESERVE_REQUEST_V1, { ...(request as object), ...change } as never, federation.signer(holder));
  };
  const otherHolders: SignedBytes = {
    payload: federation.reserve('holder-02', 1).payload,
    signature: federation.reserve('holder-01', 1).signature,
  };
  const asCommit = signStatement(
    { ...COMMIT_REQUEST_V1, schema: RESERVE_REQUEST_V1.schema },
    JSON.parse(new TextDecoder().decode(federation.reserve('holder-01', 1).payload)) as never,
    federation.signer('holder-01'),
  );

  it.each<[string, string, SignedBytes, string]>([
    ['another holder than the broker vouches for', 'holder-02', federation.reserve('holder-01', 1), 'other_holder'],
    ['a signature of another holder', 'holder-02', otherHolders, 'bad_signature'],
    ['a signature over another kind of request', 'holder-01', asCommit, 'bad_signature'],
    [
      'no signature',
      'holder-01',
      { ...federation.reserve('holder-01', 1), signature: new Uint8Array() },
      'bad_signature',
    ],
    ['a plan that is not there', 'holder-01', reserveAs('holder-01', { planHash: 'ab'.repeat(32) }), 'unknown_plan'],
    [
      'a data set that the plan does not name',
      'holder-01',
      reserveAs('holder-01', { dataset: 'fresh' }),
      'not_a_member',
    ],
    ['a round of another plan', 'holder-01', reserveAs('holder-01', { roundId: 'abcdefabcdef-1' }), 'wrong_round'],
    ['a cheaper event', 'holder-01', reserveAs('holder-01', { event: { ...event, sigmaSquared: 256 } }), 'wrong_event'],
    ['a plan of another accountant', 'holder-01', elsewhere.reserve('holder-01', 1), 'other_accountant'],
    ['what is no request', 'holder-01', { payload: utf8('{}'), signature: new Uint8Array(64) }, 'invalid_input'],
  ])('%s', async (_what, sender, request, code) => {
    const refused = accountant.reserve(sender, request);
    await expect(refused).rejects.toThrow(InvalidInputError);
    await expect(refused).rejects.toMatchObject({ code });
  });

  it('a history that another holder asks for, or of a data set in no plan', async () => {
    await expect(accountant.history('holder-02', federation.history('holder-01'))).rejects.toMatchObject({
      code: 'other_holder',
    });
    await expect(accountant.history('holder-02', federation.history('holder-02'))).rejects.toMatchObject({
      code: 'not_a_member',
    });
    await expect(accountant.history('holder-01', elsewhere.history('holder-01'))).rejects.toMatchObject({
      code: 'bad_signature',
    });
  });

  it('a plan whose stored bytes are not those of its hash', async () => {
    const forged = new PlanDirectory(
      {
        find: (planHash) => Promise.resolve({ ...elsewhere.newPlan(1), planHash, status: 'open' }),
        latestMembership: () => Promise.resolve(undefined),
      },
      sha256,
    );
    await expect(
      new Accountant({ ...parts, plans: forged }).reserve('holder-01', federation.reserve('holder-01', 1)),
    ).rejects.toMatchObject({ code: 'unknown_plan' });
  });
});

describe('PrivacyAccountantModule', () => {
  it('compiles', async () => {
    const health = healthModule({ ready: () => Promise.resolve({}) });
    const module = await Test.createTestingModule({ imports: [PrivacyAccountantModule.with(parts, health)] }).compile();
    expect(module.get(AccountantController)).toBeInstanceOf(AccountantController);
    expect(module.get(Accountant)).toBeInstanceOf(Accountant);
    await module.close();
  });
});
