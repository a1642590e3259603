import { Credentials } from './credentials.ts';
import { Home } from './home.ts';
import { RunMark } from './running.ts';
import { assertComplete, startStack } from './stack.ts';
import { homeDir } from './start.ts';
import { stopRequested } from './stop-signal.ts';
import { Supervisor } from './supervisor.ts';

/** `stack`: just the broker and the database, until Ctrl-C. The broker lets one developer user do everything. */
export async function runStack(say: (line: string) => void): Promise<void> {
  const home = new Home(`${homeDir()}-stack`);
  const mark = new RunMark(home);
  await mark.take(say);
  assertComplete(home);
  const credentials = Credentials.open(home);
  const supervisor = new Supervisor({
    logsDir: home.logsDir,
    say,
    onChange: () => {
      mark.write(supervisor.processes());
    },
  });
  const stopped = stopRequested(say);
  try {
    const developer = {
      user: 'developer',
      password: credentials.brokerPassword('developer'),
      publish: ['>'],
      subscribe: ['>'],
    };
    const stack = await startStack(home, credentials, supervisor, [developer]);
    const broker = new URL(stack.brokerUrl);
    broker.username = developer.user;
    broker.password = developer.password;
    say(`DATABASE_URL=${stack.ownerUrl}`);
    say(`NATS_URL=${broker.href}`);
    say('running until Ctrl-C');
    await Promise.race([stopped, supervisor.failed]);
  } finally {
    await supervisor.stop();
    mark.release();
  }
}
