export * from './ring.ts';
export { encodedLength, encodeIntegers, type PackedIntegers } from './v1/packed-integers.ts';
export { decodeIntegers } from './versions.ts';
