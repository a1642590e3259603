import type { Sha256, VerifySignature } from '@fedcarbon/kernel';
import { bytesOfBase64, joined, sameBytes, utf8Of } from './bytes.ts';

/** What a signed checkpoint states, and whether the expected key signed it. */
export interface CheckpointNote {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly signed: boolean;
}

/**
 * Reads a C2SP signed note that holds a tlog-checkpoint of three lines; undefined when it is not one. Signatures of other keys
 * (witnesses) are left aside.
 */
export function readCheckpointNote(
  note: string,
  publicKey: Uint8Array,
  { sha256, verifySignature }: { readonly sha256: Sha256; readonly verifySignature: VerifySignature },
): CheckpointNote | undefined {
  const end = note.indexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) return undefined;
  const text = note.slice(0, end + 1);
  const [origin, size, root, ...rest] = text.slice(0, -1).split('\n');
  if (!origin || size === undefined || root === undefined || rest.length > 0) return undefined;
  const rootBytes = bytesOfBase64(root);
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || rootBytes?.length !== 32) return undefined;

  let signed = false;
  for (const line of note.slice(end + 2, -1).split('\n')) {
    const [dash, name, base64, ...more] = line.split(' ');
    if (dash !== '—' || !name || base64 === undefined || more.length > 0) return undefined;
    const signature = bytesOfBase64(base64);
    if (!signature || signature.length < 5) return undefined;
    const keyId = sha256(joined(utf8Of(name), Uint8Array.of(0x0a, 0x01), publicKey)).slice(0, 4);
    if (!sameBytes(signature.slice(0, 4), keyId)) continue;
    if (!verifySignature(publicKey, utf8Of(text), signature.slice(4))) return undefined;
    signed = true;
  }
  return { origin, size: Number(size), root: rootBytes, signed };
}
