import { generateKeyPairSync, sign, verify, createPublicKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { InvalidInputError, type Signer, utf8, type VerifySignature } from '@fedcarbon/kernel';
import {
  COMMIT_V1,
  DECLINE_V1,
  type Decline,
  embedStatement,
  isEmbeddedSignedBy,
  openStatement,
  readStatement,
  RECEIPT_V1,
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
