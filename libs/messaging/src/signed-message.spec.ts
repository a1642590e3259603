import { createHash } from 'node:crypto';
import { utf8 } from '@fedcarbon/kernel';
import { describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/nats-core';
import { bodyOf, messageBytes, messageIdOf, signedBytesOf } from './signed-message.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
const signed = { payload: utf8('{"index":3}'), signature: new Uint8Array(64).fill(7) };

describe('the body of a message', () => {
  it('is the signature and what travels under it', () => {
    expect(signedBytesOf(bodyOf(signed))).toEqual(signed);
  });

  it('of less than a signature has a short one and nothing under it', () => {
    expect(signedBytesOf(Uint8Array.of(1, 2))).toEqual({
      payload: new Uint8Array(0),
      signature: Uint8Array.of(1, 2),
    });
  });

  it('is counted with its headers as they are written', () => {
    const written = headers();
    written.set('Nats-Msg-Id', messageIdOf(sha256, signed));
    const text = `NATS/1.0\r\n${[...written].map(([name, [value]]) => `${name}: ${String(value)}\r\n`).join('')}\r\n`;
    expect(messageBytes(signed.payload.length)).toBe(text.length + bodyOf(signed).length);
  });
});

describe('the id of a message', () => {
  it('is the same for the same message alone', () => {
    const ids = [
      messageIdOf(sha256, signed),
      messageIdOf(sha256, { ...signed, payload: utf8('{"index":4}') }),
      // The same words to another holder: only their context, which is under the signature, differs.
      messageIdOf(sha256, { ...signed, signature: new Uint8Array(64).fill(8) }),
      messageIdOf(sha256, signed, 'alder'),
      messageIdOf(sha256, signed, 'birch'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(messageIdOf(sha256, { ...signed })).toBe(ids[0]);
  });
});
