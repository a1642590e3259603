// The two standard globals that pure code may use. The kernel compiles without DOM and Node types, so that nothing else
// of the platform is in reach.
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label: 'utf-8', options: { fatal: true });
  decode(bytes: Uint8Array): string;
}
