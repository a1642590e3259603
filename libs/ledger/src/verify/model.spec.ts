import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ModelReplay, unpack } from './model.ts';

const recipe = { momentum: 0.5, stepSize: 0.25, nominalRecords: 4, rounds: 3, binsPerFeature: [1, 1] };

/** Worked out by hand: header, then each weight as a little-endian binary64. */
const HEADER = '01' + '02000000';
const binary64 = { '0': '0000000000000000', '-0.25': '000000000000d0bf', '0.25': '000000000000d03f' };

describe('ModelReplay', () => {
  it('starts at zero, lifts residues to the centre and averages from the middle round on', () => {
    const model = new ModelReplay(recipe);
    expect(hex(model.current())).toBe(HEADER + binary64['0'] + binary64['0']);
    model.step([4, 1020], 10); // S = 4, -4: v = 1, -1: w = -0.25, 0.25
    expect(hex(model.current())).toBe(HEADER + binary64['-0.25'] + binary64['0.25']);
    expect(model.published()).toEqual(model.current());
    model.step([1022, 2], 10); // S = -2, 2: v = 0, 0: w stays; position 1 = floor(3 / 2) is the first to be averaged
    model.step([2, 1022], 10); // S = 2, -2: v = 0.5, -0.5: w = -0.375, 0.375
    expect(floats(model.current())).toEqual([-0.375, 0.375]);
    expect(floats(model.published())).toEqual([-0.3125, 0.3125]);
    expect(model.rounds).toBe(3);
  });

  it('has the digest that the trainer computes for the same sums', () => {
    // @fedcarbon/learning: modelBytes(finalWeights(...)) after two of two rounds with momentum 0.6, learning rate 0.1, N = 7.
    const model = new ModelReplay({
      momentum: 0.6,
      stepSize: 0.1,
      nominalRecords: 7,
      rounds: 2,
      binsPerFeature: [2, 1],
    });
    model.step([3, 509, 0], 9);
    model.step([1, 5, 511], 9);
    expect(createHash('sha256').update(model.published()).digest('hex')).toBe(TRAINER_DIGEST);
  });
});

const TRAINER_DIGEST = '4d5c3ab3e1f8700f69f6b2695714ad9573a66fde4465abbfa01cd7fb200ba573';

describe('unpack', () => {
  it('reads residues, most significant bit first', () => {
    expect(unpack(bytes('01 0a 000003 007ff000'), 10, 3)).toEqual([1, 1023, 0]);
    expect(unpack(bytes('01 1f 000002 80000000fffffffc'), 31, 2)).toEqual([2 ** 30, 2 ** 30 - 1]);
  });

  it.each([
    ['02 0a 000003 007ff000', 'no packed-integer header of version 1'],
    ['01 0a 00', 'no packed-integer header of version 1'],
    ['01 0b 000003 007ff000', '11 bits'],
    ['01 0a 000002 007ff000', '2 integers'],
    ['01 0a 000003 007ff0', '8 bytes'],
    ['01 0a 000003 007ff00000', '10 bytes'],
    ['01 0a 000003 007ff001', 'padding'],
  ])('refuses %s', (hexText, reason) => {
    expect(unpack(bytes(hexText), 10, 3)).toContain(reason);
  });
});

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}

function floats(model: Uint8Array): number[] {
  return [...new Float64Array(model.slice(5).buffer)];
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}
