import { fromHex } from '@fedcarbon/kernel';
import { CompactRange, openCheckpoint } from '@fedcarbon/ledger';
import { generateKeyPem, sha256, signerFromPem, verifySignature } from '@fedcarbon/service';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { CheckpointSigner, LedgerTamperedError } from './checkpoint-signer.ts';

const signer = signerFromPem(generateKeyPem());
const leafOf = (text: string) => sha256(new TextEncoder().encode(text));

/** A ledger in memory, to tamper with. */
class Ledger {
  leaves: Uint8Array[] = [];
  note: string | undefined;
  reads = 0;

  latestCheckpoint() {
    return Promise.resolve(this.note === undefined ? undefined : { size: 0, note: this.note, signedAtMs: 0 });
  }

  leafHashes(from = 0) {
    const leaves = this.leaves.slice(from);
    this.reads += leaves.length;
    return Promise.resolve(leaves);
  }

  add(...texts: string[]) {
    this.leaves.push(...texts.map(leafOf));
  }
}

describe('CheckpointSigner', () => {
  let ledger: Ledger;
  const newSigner = (own = signer, origin = 'fedcarbon/example') =>
    new CheckpointSigner({ origin, signer: own, sha256, verifySignature });
  const signWith = async (checkpoints: CheckpointSigner, size = ledger.leaves.length) => {
    const checkpoint = await checkpoints.sign(ledger, size);
    ledger.note = checkpoint.note;
    checkpoint.committed();
    return checkpoint;
  };

  beforeEach(() => {
    ledger = new Ledger();
    ledger.add('a', 'b', 'c');
  });

  it('signs the RFC 6962 root of all entries, reading each of them once', async () => {
    const checkpoints = newSigner();
    await signWith(checkpoints);
    ledger.add('d', 'e');
    const { root, note } = await signWith(checkpoints);
    const range = CompactRange.empty(sha256);
    for (const leaf of ledger.leaves) range.append(leaf);
    expect(fromHex(root)).toEqual(range.root());
    expect(openCheckpoint(note, signer.publicKey, { sha256, verifySignature })).toEqual({
      origin: 'fedcarbon/example',
      size: 5,
      root: range.root(),
    });
    expect(ledger.reads).toBe(5);
  });

  it('keeps nothing of a transaction that was rolled back', async () => {
    const checkpoints = newSigner();
    await checkpoints.sign(ledger, 3);
    ledger.leaves = [];
    ledger.add('x');
    await expect(signWith(checkpoints)).resolves.toMatchObject({ size: 1 });
  });

  it('goes on after another instance has signed further, and after a restart', async () => {
    const [one, other] = [newSigner(), newSigner()];
    await signWith(one);
    ledger.add('d');
    await signWith(other);
    ledger.add('e');
    await expect(signWith(one)).resolves.toMatchObject({ size: 5 });
    ledger.add('f');
    await expect(signWith(newSigner())).resolves.toMatchObject({ size: 6 });
  });

  it('signs nothing over a past that was changed', async () => {
    await signWith(newSigner());
    ledger.leaves[1] = leafOf('forged');
    ledger.add('d');
    await expect(signWith(newSigner())).rejects.toThrow(/first 3 entries are not those that were signed/);
  });

  it('signs nothing over entries or checkpoints that are gone, or of another ledger', async () => {
    const checkpoints = newSigner();
    await signWith(checkpoints);
    ledger.leaves.pop();
    await expect(signWith(checkpoints)).rejects.toThrow(LedgerTamperedError);
    await expect(signWith(newSigner())).rejects.toThrow(/2 entries and a checkpoint over 3/);
    ledger.add('c');
    await expect(signWith(newSigner(signerFromPem(generateKeyPem())))).rejects.toThrow(LedgerTamperedError);
    await expect(signWith(newSigner(signer, 'fedcarbon/other'))).rejects.toThrow(/of fedcarbon\/example/);
    ledger.note = undefined;
    await expect(signWith(checkpoints)).rejects.toThrow(LedgerTamperedError);
  });
});
