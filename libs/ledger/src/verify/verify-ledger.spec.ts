import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Signer } from '@fedcarbon/kernel';
import { exportOf, soundEntries } from '../sound-ledger.support.ts';
import type { Keys } from '../sound-ledger.support.ts';
import { verifyLedger } from './index.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
function signer(name: string): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, sha256(Buffer.from(name))]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12));
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, key)) };
}
const keys: Keys = { sha256, signer };
const verifySignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
    signature,
  );
const options = { publicKeys: { checkpoint: signer('checkpoint').publicKey }, sha256, verifySignature };

describe('verifyLedger', () => {
  it('finds a sound ledger sound', () => {
    const result = verifyLedger(exportOf(keys, soundEntries(keys)), options);
    console.log(result);
    expect(result.findings).toEqual([]);
  });
});
