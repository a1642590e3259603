import type { BrokerRights } from './permissions.ts';

/** A user of the broker: its credentials and its rights. */
export interface BrokerUser extends BrokerRights {
  readonly user: string;
  readonly password: string;
}

/**
 * Text of a nats-server (2.10 or newer) configuration file with JetStream, where only the listed users get in and each has its own rights only.
 * It holds passwords: write it with mode 0600.
 */
export function natsServerConfig(options: {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Left out where `--port` sets it. */
  readonly port?: number;
  /** Folder of the streams. Left out where `--store_dir` sets it: nats-server refuses both. */
  readonly storeDir?: string;
  readonly users: readonly BrokerUser[];
  /** Port of the monitoring pages, on the loopback interface only. */
  readonly monitorPort?: number;
  /** Flush to disk before acknowledging, so that a power failure loses nothing that was acknowledged; two to three times slower. */
  readonly syncAlways: boolean;
}): string {
  const { host = '127.0.0.1', port, storeDir, users, monitorPort, syncAlways } = options;
  return [
    `host: ${quoted(host)}`,
    ...(port === undefined ? [] : [`port: ${String(port)}`]),
    ...(monitorPort === undefined ? [] : [`http: ${quoted(`127.0.0.1:${String(monitorPort)}`)}`]),
    'jetstream {',
    ...(storeDir === undefined ? [] : [`  store_dir: ${quoted(storeDir)}`]),
    ...(syncAlways ? ['  sync_interval: always'] : []),
    '}',
    'authorization {',
    '  users: [',
    ...users.flatMap(userLines),
    '  ]',
    '}',
    '',
  ].join('\n');
}

function userLines(user: BrokerUser): string[] {
  return [
    '    {',
    `      user: ${quoted(user.user)}`,
    `      password: ${quoted(user.password)}`,
    '      permissions {',
    `        publish ${rights(user.publish)}`,
    `        subscribe ${rights(user.subscribe)}`,
    ...(user.allowResponses === true ? ['        allow_responses: { max: 1, expires: "1m" }'] : []),
    '      }',
    '    }',
  ];
}

/** An empty list of rights would allow everything. */
function rights(subjects: readonly string[]): string {
  return subjects.length === 0 ? '{ deny: [">"] }' : `{ allow: [${subjects.map(quoted).join(', ')}] }`;
}

const quoted = (text: string): string => JSON.stringify(text);
