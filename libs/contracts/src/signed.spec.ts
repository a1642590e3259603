import { generateKeyPairSync, sign, verify, createPublicKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { InvalidInputError, type Signer, utf8, type VerifySignature } from '@fedcarbon/kernel';
import {
  abridgedBytes,
  COMMIT_V1,
  DECLINE_V1,
  type Decline,
  embedStatement,
  isEmbeddedSignedBy,
  openAbridged,
  openMasking,
  openStatement,
  readStatement,
  RECEIPT_V1,
  signAbridged,
  signMasking,
  signStatement,
} from './index.ts';

function newSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32),
    sign: (message) => sign(null, message, privateKey),
  };
}

const verifySignature: VerifySignature = (publicKey, message, signature) => {
  const x = Buffer.from(publicKey).toString('base64url');
  return verify(null, message, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), signature);
};

const hash = 'ab'.repeat(32);
const decline: Decline = {
  planHash: hash,
  roundId: `${hash.slice(0, 12)}-3`,
  holder: 'france-01',
  reason: 'over_own_cap',
};

describe('signed statements', () => {
  const signer = newSigner();

  it('come back as they were signed', () => {
    const signed = signStatement(DECLINE_V1, decline, signer);
    expect(openStatement(DECLINE_V1, signed, signer.publicKey, verifySignature)).toEqual(decline);
  });

  it('are refused under another key, as another kind, and after any change', () => {
    const signed = signStatement(DECLINE_V1, decline, signer);
    expect(() => openStatement(DECLINE_V1, signed, newSigner().publicKey, verifySignature)).toThrow(
      /not by the expected key/,
    );
    const otherKind = { ...DECLINE_V1, kind: 'decline-again' };
    expect(() => openStatement(otherKind, signed, signer.publicKey, verifySignature)).toThrow(
      /not by the expected key/,
    );
    const payload = utf8(new TextDecoder().decode(signed.payload).replace('france-01', 'france-02'));
    expect(() => openStatement(DECLINE_V1, { ...signed, payload }, signer.publicKey, verifySignature)).toThrow(
      /not by the expected key/,
    );
  });

  it.each([
    ['not JSON', '{', /not JSON/],
    [
      'an unknown member',
      JSON.stringify({ holder: 'a', planHash: hash, reason: 'over_own_cap', roundId: decline.roundId, surprise: 1 }),
      /surprise/,
    ],
    ['a missing member', '{}', /planHash/],
    [
      'white space',
      JSON.stringify({ holder: 'a', planHash: hash, reason: 'over_own_cap', roundId: decline.roundId }, null, 1),
      /canonical/,
    ],
    ['another order', JSON.stringify(decline), /canonical/],
  ])('are refused with %s', (_what, text, message) => {
    expect(() => readStatement(DECLINE_V1, utf8(text))).toThrow(message);
    expect(() => readStatement(DECLINE_V1, utf8(text))).toThrow(InvalidInputError);
  });

  it('refuse to sign what does not fit the schema', () => {
    expect(() => signStatement(RECEIPT_V1, { ...decline } as never, signer)).toThrow(InvalidInputError);
  });

  it('travel inside other messages', () => {
    const statement = {
      holder: 'france-01',
      dataset: 'ecebd',
      planHash: hash,
      roundId: decline.roundId,
      attempt: 1,
      updateDigest: hash,
      event: { kind: 'discreteGaussian' as const, sigmaSquared: 2088.5, sensitivitySquared: 6, steps: 1 },
    };
    const travelling = embedStatement(COMMIT_V1, statement, signer);
    expect(isEmbeddedSignedBy(COMMIT_V1, travelling, signer.publicKey, verifySignature)).toBe(true);
    const changed = { ...travelling, statement: { ...statement, attempt: 2 } };
    expect(isEmbeddedSignedBy(COMMIT_V1, changed, signer.publicKey, verifySignature)).toBe(false);
  });
});

describe('abridged statements', () => {
  const signer = newSigner();
  const signed = signAbridged(DECLINE_V1, decline, signer);
  const { planHash, holder } = decline;
  const open = (message = signed, context = { planHash, holder }) =>
    openAbridged(DECLINE_V1, message, () => context, signer.publicKey, verifySignature);

  it('travel without their context and come back whole', () => {
    const text = `{"reason":"over_own_cap","roundId":"${decline.roundId}"}`;
    expect(new TextDecoder().decode(signed.payload)).toBe(text);
    expect(abridgedBytes(DECLINE_V1, decline)).toEqual(signed.payload);
    expect(open()).toEqual(decline);
  });

  it('carry the signature of the whole, so that they can be embedded as such', () => {
    expect(signed.signature).toEqual(signStatement(DECLINE_V1, decline, signer).signature);
  });

  it('are refused in any other context, under another key, as another kind, and after any change', () => {
    for (const other of [
      { planHash: 'cd'.repeat(32), holder },
      { planHash, holder: 'france-02' },
    ]) {
      expect(() => open(signed, other)).toThrow(/not by the expected key/);
    }
    expect(() => open(signAbridged(DECLINE_V1, decline, newSigner()))).toThrow(/not by the expected key/);
    expect(() => open(signAbridged({ ...DECLINE_V1, version: 2 }, decline, signer))).toThrow(/not by the expected key/);
    const later = abridgedBytes(DECLINE_V1, { ...decline, roundId: `${hash.slice(0, 12)}-4` });
    expect(() => open({ ...signed, payload: later })).toThrow(/not by the expected key/);
  });

  it('may not repeat their context, and are refused when only what travels was signed', () => {
    expect(() => open(signStatement(DECLINE_V1, decline, signer))).toThrow(/holder/);
    const { reason, roundId } = decline;
    const { signature } = signStatement({ ...DECLINE_V1, schema: DECLINE_V1.sent }, { reason, roundId }, signer);
    expect(() => open({ ...signed, signature })).toThrow(/not by the expected key/);
  });
});

describe('messages of the secure sum', () => {
  const signer = newSigner();
  const message = Uint8Array.of(1, 2, 3);
  const signed = signMasking(hash, message, signer);

  it('travel as they are', () => {
    expect(signed.payload).toEqual(message);
    expect(openMasking(hash, signed, signer.publicKey, verifySignature)).toEqual(message);
  });

  it('are refused under another plan or key, and after any change', () => {
    for (const [planHash, changed, key] of [
      ['cd'.repeat(32), signed, signer.publicKey],
      [hash, signed, newSigner().publicKey],
      [hash, { ...signed, payload: Uint8Array.of(1, 2, 4) }, signer.publicKey],
    ] as const) {
      expect(() => openMasking(planHash, changed, key, verifySignature)).toThrow(/not by the expected key/);
    }
  });
});
