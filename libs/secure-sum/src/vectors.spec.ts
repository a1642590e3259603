import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { fromHex, toHex } from '@fedcarbon/kernel';
import {
  type Block,
  type ClientEffect,
  type CoordinatorEffect,
  doubleMasking,
  sessionOf,
  twoServers,
} from './index.ts';
import { maskOf } from './masks.ts';
import { nodeCrypto, signerOf } from './node-crypto.support.ts';
import { interpolate } from './shamir.ts';

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../vectors/v1/${name}.json`, import.meta.url), 'utf8')) as T;

/** Written by tools/reference/secure_sum_reference.py. */
const primitives = read<{
  hkdf: { secret: string; salt: string; info: string; length: number; output: string }[];
  seal: { key: string; plaintext: string; sealed: string }[];
  masks: { key: string; bits: number; mask: number[] }[];
  shamir: { secret: string; free: Record<string, string>; shares: string[] }[];
}>('primitives');

interface Transcript {
  name: string;
  planHash: string;
  blockNumber: number;
  session: string;
  rounds: number;
  round: number;
  bits: number;
  identitySeeds: string[];
  coordinatorSeed: string;
  clientSeeds: string[];
  vectors: number[][];
  dropped: number[];
  hello: string[];
  roster: string[];
  shares: string[];
  delivered: string[];
  masked: Record<string, string>;
  survivors: string;
  consent: Record<string, string>;
  unmask: string;
  answer: Record<string, string>;
  sum: number[];
  bad: { name: string; message: string; reason: string }[];
}

describe('the cryptography, against the RFCs', () => {
  it('agrees on keys as in RFC 7748, section 6.1', () => {
    const alice = fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
    const bob = fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
    const [alicePublic, bobPublic] = [nodeCrypto.x25519PublicKey(alice), nodeCrypto.x25519PublicKey(bob)];
    expect(toHex(alicePublic)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(toHex(bobPublic)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(toHex(nodeCrypto.x25519(alice)(bobPublic))).toBe(shared);
    expect(toHex(nodeCrypto.x25519(bob)(alicePublic))).toBe(shared);
  });

  it('gives zeros for a public key of low order (RFC 7748, section 6.1)', () => {
    expect(nodeCrypto.x25519(new Uint8Array(32).fill(7))(new Uint8Array(32))).toEqual(new Uint8Array(32));
  });

  it('streams as in RFC 8439, appendix A.1, vectors 1 and 2', () => {
    expect(toHex(nodeCrypto.chacha20(new Uint8Array(32), 128))).toBe(
      '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586' +
        '9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f',
    );
  });

  it('derives as in RFC 5869, appendix A.1 and A.3', () => {
    const secret = new Uint8Array(22).fill(0x0b);
    const hkdf = (salt: string, info: string) => toHex(nodeCrypto.hkdf(secret, fromHex(salt), fromHex(info), 42));
    expect(hkdf('000102030405060708090a0b0c', 'f0f1f2f3f4f5f6f7f8f9')).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    );
    expect(hkdf('', '')).toBe('8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8');
  });
});

describe('the building blocks, against the reference', () => {
  it.each(primitives.hkdf)('HKDF of $length bytes', ({ secret, salt, info, length, output }) => {
    expect(toHex(nodeCrypto.hkdf(fromHex(secret), fromHex(salt), fromHex(info), length))).toBe(output);
  });

  it.each(primitives.seal)('seals and opens $plaintext', ({ key, plaintext, sealed }) => {
    expect(toHex(nodeCrypto.seal(fromHex(key), fromHex(plaintext)))).toBe(sealed);
    expect(nodeCrypto.open(fromHex(key), fromHex(sealed))).toEqual(fromHex(plaintext));
    const broken = fromHex(sealed);
    broken[0] = broken[0]! ^ 1;
    expect(nodeCrypto.open(fromHex(key), broken)).toBeUndefined();
    expect(nodeCrypto.open(fromHex(key), fromHex(sealed).subarray(1))).toBeUndefined();
  });

  it.each(primitives.masks)('masks of $bits bits', ({ key, bits, mask }) => {
    expect([...maskOf(nodeCrypto, fromHex(key), mask.length, bits)]).toEqual(mask);
  });

  it.each(primitives.shamir)('shares that follow from others', ({ secret, free, shares }) => {
    const chosen = Object.entries(free).map(([x, y]) => ({ x: Number(x), y: fromHex(y) }));
    const points = [{ x: 0, y: fromHex(secret) }, ...chosen];
    expect(shares.map((_, i) => toHex(interpolate(points, i + 1)))).toEqual(shares);
    const last = shares.map((y, i) => ({ x: i + 1, y: fromHex(y) })).slice(-points.length);
    expect(toHex(interpolate(last, 0))).toBe(secret);
  });
});

describe.each(read<{ cases: Transcript[] }>('double-masking').cases)('a transcript: $name', (expected) => {
  const identities = expected.identitySeeds.map((seed) => signerOf(fromHex(seed)));
  const coordinatorSigner = signerOf(fromHex(expected.coordinatorSeed));
  const planHash = fromHex(expected.planHash);
  const block: Block = {
    session: sessionOf(nodeCrypto.sha256, planHash, expected.blockNumber),
    number: expected.blockNumber,
    firstRound: 0,
    excluded: [],
    planHash,
    members: identities.map(({ publicKey }) => publicKey),
    coordinatorKey: coordinatorSigner.publicKey,
    rounds: expected.rounds,
    minSurvivors: 4,
    graph: { kind: 'complete' },
  };
  const sum = doubleMasking(block);
  const members = identities.map((_, i) => i);
  const alive = members.filter((i) => !expected.dropped.includes(i));
  const newClients = () =>
    identities.map((signer, i) =>
      sum.client(i, { crypto: nodeCrypto, signer, random: { bytes: () => fromHex(expected.clientSeeds[i]!) } }),
    );
  const sent = (effects: readonly (ClientEffect | CoordinatorEffect)[]) =>
    effects.flatMap((effect) => (effect.type === 'send' ? [toHex(effect.message)] : []));

  it('clients send these bytes', () => {
    expect(toHex(block.session)).toBe(expected.session);
    const clients = newClients();
    const step = (i: number, event: Parameters<(typeof clients)[number]['step']>[0]) => {
      const { party, effects } = clients[i]!.step(event);
      clients[i] = party;
      return sent(effects);
    };
    const message = (hex: string) => ({ type: 'message' as const, message: fromHex(hex) });
    const { round, bits } = expected;
    for (const i of members) expect(step(i, { type: 'join' })).toEqual([expected.hello[i]]);
    for (const i of members) expect(step(i, message(expected.roster[i]!))).toEqual([expected.shares[i]]);
    for (const i of members) expect(step(i, message(expected.delivered[i]!))).toEqual([]);
    for (const i of alive) {
      const values = Int32Array.from(expected.vectors[i]!);
      expect(step(i, { type: 'contribute', round, values, bits })).toEqual([expected.masked[i]]);
    }
    for (const { message: bad, reason } of expected.bad) {
      const { effects } = clients[0]!.step(message(bad));
      expect(effects).toEqual([{ type: 'refuse', reason: expect.stringContaining(reason) }]);
    }
    for (const i of alive) expect(step(i, message(expected.survivors))).toEqual([expected.consent[i]]);
    for (const i of alive) expect(step(i, message(expected.unmask))).toEqual([expected.answer[i]]);
  });

  it('the coordinator sends these bytes and opens this sum', () => {
    let coordinator = sum.coordinator({ crypto: nodeCrypto, signer: coordinatorSigner });
    const effects: CoordinatorEffect[] = [];
    const step = (event: Parameters<typeof coordinator.step>[0]) => {
      const after = coordinator.step(event);
      coordinator = after.party;
      effects.push(...after.effects);
    };
    const messages = (bytes: Record<string, string>) => {
      for (const [i, hex] of Object.entries(bytes)) step({ type: 'message', from: Number(i), message: fromHex(hex) });
    };
    messages(Object.fromEntries(expected.hello.entries()));
    messages(Object.fromEntries(expected.shares.entries()));
    const { round, bits } = expected;
    step({ type: 'open', round, length: expected.sum.length, bits });
    messages(expected.masked);
    step({ type: 'deadline', phase: 'masked', round });
    messages(expected.consent);
    messages(expected.answer);
    const { roster, delivered, survivors, unmask } = expected;
    // A fifth client's consent comes after the certificate, which it has been sent with the others.
    expect(sent(effects)).toEqual([...roster, ...delivered, survivors, unmask]);
    expect(effects).toContainEqual({ type: 'opened', round, survivors: alive, sum: Uint32Array.from(expected.sum) });
  });
});

describe.each(
  read<{
    cases: {
      planHash: string;
      blockNumber: number;
      rounds: number;
      round: number;
      bits: number;
      helperPrivateKey: string;
      helperKey: string;
      seeds: string[];
      ephemeralKeys: string[];
      vectors: number[][];
      silent: number[];
      noise: number[];
      masked: Record<string, string>;
      request: string;
      maskSum: string;
      sum: number[];
    }[];
  }>('two-servers').cases,
)('a round with two servers', (expected) => {
  it('all three parties send these bytes, and the sum is this', () => {
    const { round, bits } = expected;
    const planHash = fromHex(expected.planHash);
    const signer = signerOf(new Uint8Array(32));
    const block: Block = {
      session: sessionOf(nodeCrypto.sha256, planHash, expected.blockNumber),
      number: expected.blockNumber,
      firstRound: 0,
      excluded: [],
      planHash,
      members: expected.vectors.map(() => signer.publicKey),
      coordinatorKey: signer.publicKey,
      rounds: expected.rounds,
      minSurvivors: 3,
      graph: { kind: 'complete' },
    };
    const sum = twoServers(block, fromHex(expected.helperKey));
    let coordinator = sum.coordinator({ crypto: nodeCrypto, signer });
    const effects: CoordinatorEffect[] = [];
    const step = (event: Parameters<typeof coordinator.step>[0]) => {
      const after = coordinator.step(event);
      coordinator = after.party;
      effects.push(...after.effects);
    };
    step({ type: 'open', round, length: expected.sum.length, bits });
    for (const [from, message] of Object.entries(expected.masked)) {
      const draws = [expected.seeds[Number(from)]!, expected.ephemeralKeys[Number(from)]!];
      const random = { bytes: () => fromHex(draws.shift()!) };
      const client = sum.client(Number(from), { crypto: nodeCrypto, signer, random });
      const values = Int32Array.from(expected.vectors[Number(from)]!);
      const sent = client.step({ type: 'contribute', round, values, bits }).effects.at(-1);
      expect(sent).toEqual({ type: 'send', kind: 'masked', message: fromHex(message) });
      step({ type: 'message', from: Number(from), message: fromHex(message) });
    }
    step({ type: 'deadline', phase: 'masked', round });
    expect(effects.at(-1)).toEqual({ type: 'send', to: 'helper', kind: 'seeds', message: fromHex(expected.request) });
    const helper = sum.helper({ crypto: nodeCrypto, privateKey: fromHex(expected.helperPrivateKey) });
    const noise = Int32Array.from(expected.noise);
    const answer = helper.step({ type: 'message', message: fromHex(expected.request), noise }).effects.at(-1);
    expect(answer).toEqual({ type: 'send', kind: 'maskSum', message: fromHex(expected.maskSum) });
    step({ type: 'helper', message: fromHex(expected.maskSum) });
    const survivors = Object.keys(expected.masked).map(Number);
    expect(effects.at(-1)).toEqual({ type: 'opened', round, survivors, sum: Uint32Array.from(expected.sum) });
  });
});
