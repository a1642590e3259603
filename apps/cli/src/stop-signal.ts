const PARENT_POLL_MS = 1000;

/**
 * Resolves when somebody asks this process to stop, by a signal or by ending the npm that runs it: npm does not always pass on what ends it.
 * From the call on, signals no longer end the process by themselves, however often they come: what was started has to be stopped in order.
 */
export function stopRequested(say: (line: string) => void): Promise<void> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    let asked = false;
    const done = () => {
      if (!asked) say('stopping what was started');
      asked = true;
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, done);
    }
    if (process.env['npm_lifecycle_event'] === undefined) return;
    setInterval(() => {
      if (process.ppid !== parent) done();
    }, PARENT_POLL_MS).unref();
  });
}
