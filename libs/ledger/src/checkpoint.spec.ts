import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { toBase64Url, toHex } from '@fedcarbon/kernel';
import type { VerifySignature } from '@fedcarbon/kernel';
import { formatCheckpoint, noteKeyId, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts';
import { readCheckpointNote } from './verify/note.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const verifySignature: VerifySignature = (publicKey, message, signature) => {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) }, format: 'jwk' });
  return verify(null, message, key, signature);
};
const ports = { sha256, verifySignature };

function newSigner() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  return {
    publicKey: new Uint8Array(Buffer.from(x ?? '', 'base64url')),
    sign: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)),
  };
}

const origin = 'fedcarbon/example';
const checkpoint = { origin, size: 42, root: Uint8Array.from({ length: 32 }, (_, i) => i) };
const signer = newSigner();
const note = signCheckpoint(sha256, signer, origin, checkpoint);

describe('signed checkpoints', () => {
  it('are the three lines of a C2SP checkpoint, an empty line and a signature line', () => {
    expect(formatCheckpoint(checkpoint)).toBe('fedcarbon/example\n42\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n');
    expect(note.startsWith(`${formatCheckpoint(checkpoint)}\n— fedcarbon/example `)).toBe(true);
    expect(note.endsWith('\n')).toBe(true);
  });

  it('name their key as the example of Go’s note package does', () => {
    // Verifier key PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW (documentation of golang.org/x/mod/sumdb/note).
    const key = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64').subarray(1);
    expect(toHex(noteKeyId(sha256, 'PeterNeumann', key))).toBe('c74f20a3');
  });

  it('read back, in writer and verifier alike', () => {
    expect(parseCheckpoint(note).checkpoint).toEqual(checkpoint);
    expect(openCheckpoint(note, signer.publicKey, ports)).toEqual(checkpoint);
    expect(readCheckpointNote(note, signer.publicKey, ports)).toEqual({ ...checkpoint, signed: true });
  });

  it('may carry signatures of others, which prove nothing', () => {
    const other = newSigner();
    const witness = signCheckpoint(sha256, other, 'witness', checkpoint).split('\n\n')[1] ?? '';
    expect(openCheckpoint(note + witness, signer.publicKey, ports)).toEqual(checkpoint);
    expect(readCheckpointNote(note + witness, other.publicKey, ports)?.signed).toBe(true);
    expect(readCheckpointNote(note, other.publicKey, ports)?.signed).toBe(false);
    expect(() => openCheckpoint(note, other.publicKey, ports)).toThrow('not signed by the expected key');
  });

  it('are refused after a change of any character', () => {
    for (let i = 0; i < note.length; i++) {
      const changed = `${note.slice(0, i)}${note[i] === 'A' ? 'B' : 'A'}${note.slice(i + 1)}`;
      expect(() => openCheckpoint(changed, signer.publicKey, ports)).toThrow();
      expect(readCheckpointNote(changed, signer.publicKey, ports)?.signed ?? false).toBe(false);
    }
  });

  it.each([
    ['an extension line', note.replace('\n\n', '\nextension\n\n')],
    ['no signature', note.slice(0, note.indexOf('—'))],
    ['a size with a leading zero', note.replace('\n42\n', '\n042\n')],
    ['a short root', note.replace('Hh8=\n', 'Hg==\n')],
    ['no line feed at the end', note.slice(0, -1)],
  ])('are refused with %s', (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow('not a signed checkpoint');
    expect(readCheckpointNote(text, signer.publicKey, ports)).toBeUndefined();
  });

  it('cannot be signed under a name that a note cannot carry', () => {
    expect(() => signCheckpoint(sha256, signer, 'two words', checkpoint)).toThrow('"two words"');
  });
});
