import { createServer } from 'node:net';
import { StackError } from './errors.ts';

function listenOnce(port: number): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        done(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  });
}

/** A TCP port of 127.0.0.1 that nothing listens on at this moment. */
export function freePort(): Promise<number> {
  return listenOnce(0);
}

/** Throws StackError when something listens on `port` of 127.0.0.1, or the port may not be used. `purpose` names who wanted it. */
export async function assertPortFree(port: number, purpose: string): Promise<void> {
  try {
    await listenOnce(port);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const state = code === 'EADDRINUSE' ? 'is already in use' : `cannot be used (${code})`;
    throw new StackError(`Port ${port}, wanted for ${purpose}, ${state}: stop what uses it or choose another port.`, {
      cause,
    });
  }
}
