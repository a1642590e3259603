import { signMasking, type SignedBytes } from '@fedcarbon/contracts';
import { examplePlan, exampleSecureSum } from '@fedcarbon/contracts/testing';
import { canonicalBytes, type Json, type Signer, toBase64Url, toHex } from '@fedcarbon/kernel';
import { memberIndex, secureSumOf, sumShape } from '@fedcarbon/round';
import type { CoordinatorEvent } from '@fedcarbon/secure-sum';
import {
  cryptoRandom,
  generateKeyPem,
  sealingKeyFromPem,
  secureSumCrypto,
  sha256,
  signerFromPem,
} from '@fedcarbon/service';

const HOLDERS = ['alder', 'birch', 'cedar', 'doum'];

/** A plan with a second server, its keys, and what global-aggregator would ask the helper under it. */
export function exampleRound() {
  const pems = { helper: generateKeyPem(), sealing: generateKeyPem('X25519') };
  const newSigner = () => signerFromPem(generateKeyPem());
  const global = newSigner();
  const holders = new Map(HOLDERS.map((holder) => [holder, newSigner()]));
  const publicKey = (key: { readonly publicKey: Uint8Array }) => toBase64Url(key.publicKey);
  const plan = examplePlan({
    keys: { global: publicKey(global), accountant: publicKey(global), checkpoint: publicKey(global) },
    operatorKey: publicKey(global),
    privacy: {
      secureSum: {
        ...exampleSecureSum(3, { model: 4096 / 3, benchmarks: 4096 / 3 }),
        protocol: 'two-servers',
        helper: {
          publicKey: publicKey(signerFromPem(pems.helper)),
          sealingKey: publicKey(sealingKeyFromPem(pems.sealing)),
        },
      },
    },
    regions: [
      {
        ...{ name: 'north', publicKey: publicKey(global) },
        members: [...holders].map(([holder, signer]) => ({
          ...{ holder, dataset: 'stock', nominalRecords: 100 },
          publicKey: publicKey(signer),
        })),
      },
    ],
    round: { quorum: 3 },
  });
  const planHash = toHex(sha256(canonicalBytes(plan as Json)));
  const sum = secureSumOf(plan, planHash, sha256);
  const clients = new Map(
    [...holders].map(([holder, signer]) => {
      const dependencies = { crypto: secureSumCrypto, signer, random: cryptoRandom };
      return [holder, sum.client(memberIndex(plan, holder), dependencies)];
    }),
  );

  /** A coordinator that asks for sums of any number. */
  const { secureSum } = plan.privacy;
  const reckless = {
    ...plan,
    privacy: { ...plan.privacy, secureSum: secureSum && { ...secureSum, minSurvivors: 1 } },
    round: { ...plan.round, quorum: 1 },
  };

  /** What it sends the helper when it has the vectors of these holders. */
  function request(index: number, survivors: readonly string[] = HOLDERS, signer: Signer = global): SignedBytes {
    const { round, length, bits } = sumShape(plan, { index, purpose: 'model' });
    const ask = (): Uint8Array => {
      let coordinator = secureSumOf(reckless, planHash, sha256).coordinator({
        crypto: secureSumCrypto,
        signer: global,
      });
      const step = (event: CoordinatorEvent) => {
        const { party, effects } = coordinator.step(event);
        coordinator = party;
        return effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
      };
      step({ type: 'open', round, length, bits });
      const asked = survivors.flatMap((holder) => {
        const from = memberIndex(plan, holder);
        return step({ type: 'message', from, message: masked(holder, index) });
      });
      return [...asked, ...step({ type: 'deadline', phase: 'masked', round })][0] ?? new Uint8Array();
    };
    return signMasking(planHash, ask(), signer);
  }

  /** A holder's masked message of a round, the same each time. */
  function masked(holder: string, index: number): Uint8Array {
    const { round, length, bits } = sumShape(plan, { index, purpose: 'model' });
    const client = clients.get(holder);
    if (client === undefined) throw new Error(`no holder ${holder}`);
    const values = new Int32Array(length).fill(memberIndex(plan, holder));
    const { party, effects } = client.step({ type: 'contribute', round, values, bits });
    clients.set(holder, party);
    const sent = effects.find((effect) => effect.type === 'send');
    if (sent === undefined) throw new Error(`${holder} did not mask`);
    return sent.message;
  }

  return { plan, planHash, pems, global, holders, request };
}
