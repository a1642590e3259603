import { InvalidInputError, concatBytes, equalBytes, fromBase64Url, toBase64Url, utf8 } from '@fedcarbon/kernel';
import type { Sha256, Signer, VerifySignature } from '@fedcarbon/kernel';

/** The state of a ledger: its identity, its number of entries, the RFC 6962 root over their leaf hashes (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** `fedcarbon/<first 12 characters of the checkpoint key>`. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  /** Key id (4 bytes) followed by the signature. */
  readonly bytes: Uint8Array;
}

/** Signature algorithm byte of Ed25519 (C2SP signed-note, "Signature types"). */
const ED25519 = 0x01;

/** The text that is signed: origin, size and base64 root, each on a line (C2SP tlog-checkpoint, "Note text"). */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`;
}

/** First 4 bytes of SHA-256(name || 0x0A || 0x01 || public key) (C2SP signed-note, "Signatures"). */
export function noteKeyId(sha256: Sha256, name: string, publicKey: Uint8Array): Uint8Array {
  return sha256(concatBytes(utf8(name), Uint8Array.of(0x0a, ED25519), publicKey)).slice(0, 4);
}

/**
 * The signed note of a checkpoint: text, empty line, `— name base64(key id || signature)`.
 * `name` is the key's name, for a ledger its origin. Throws InvalidInputError for a name with white space or "+", which a note cannot carry.
 */
export function signCheckpoint(sha256: Sha256, signer: Signer, name: string, checkpoint: Checkpoint): string {
  if (!/^[^\s+]+$/u.test(name))
    throw new InvalidInputError(`a note's key name has no white space and no "+": "${name}"`);
  const text = formatCheckpoint(checkpoint);
  const signature = concatBytes(noteKeyId(sha256, name, signer.publicKey), signer.sign(utf8(text)));
  return `${text}\n— ${name} ${toBase64(signature)}\n`;
}

/** Reads a signed checkpoint without checking any signature. Extension lines are kept out of use, as C2SP recommends. Throws InvalidInputError. */
export function parseCheckpoint(note: string): { checkpoint: Checkpoint; text: string; signatures: NoteSignature[] } {
  const match =
    /^(([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n)\n((?:— [^\s+]+ [A-Za-z0-9+/]+={0,2}\n)+)$/u.exec(note);
  if (!match) throw new InvalidInputError(`not a signed checkpoint: "${note.slice(0, 60)}"`);
  const [, text = '', origin = '', size, root = '', lines = ''] = match;
  const signatures = lines
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, name = '', base64 = ''] = line.split(' ');
      return { name, bytes: fromBase64(base64) };
    });
  return { checkpoint: { origin, size: Number(size), root: fromBase64(root) }, text, signatures };
}

/** The checkpoint in `note` when it carries a valid signature of `publicKey` under its own key name. Throws InvalidInputError otherwise. */
export function openCheckpoint(
  note: string,
  publicKey: Uint8Array,
  { sha256, verifySignature }: { readonly sha256: Sha256; readonly verifySignature: VerifySignature },
): Checkpoint {
  const { checkpoint, text, signatures } = parseCheckpoint(note);
  const signed = signatures.some(
    ({ name, bytes }) =>
      equalBytes(bytes.slice(0, 4), noteKeyId(sha256, name, publicKey)) &&
      verifySignature(publicKey, utf8(text), bytes.slice(4)),
  );
  if (!signed)
    throw new InvalidInputError(`the checkpoint of size ${checkpoint.size} is not signed by the expected key`);
  return checkpoint;
}

/** Base64 with padding (RFC 4648, section 4), as notes use it. */
function toBase64(bytes: Uint8Array): string {
  const text = toBase64Url(bytes).replaceAll('-', '+').replaceAll('_', '/');
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new InvalidInputError(`not base64 text: "${text.slice(0, 20)}"`);
  return fromBase64Url(text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'));
}
