import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { describeError, FedcarbonError, InvalidInputError } from '@fedcarbon/kernel';
import pg from 'pg';

/** Group roles of the services; the migrations create them with their rights. */
export const GROUP_ROLES = ['fc_global', 'fc_accountant', 'fc_region', 'fc_api'] as const;
export type GroupRole = (typeof GROUP_ROLES)[number];

/** A login user could not be created. The message never holds the password. */
export class ProvisioningError extends FedcarbonError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('provisioning_failed', message, options);
  }
}

/**
 * Creates the login user `user` as a member of `groupRole`, or gives an existing one this password. Run `migrate` first.
 * Only a SCRAM verifier is sent, so that the password cannot end up in a server log. Throws ProvisioningError.
 */
export async function provisionLogin(
  ownerUrl: string,
  user: string,
  password: string,
  groupRole: GroupRole,
): Promise<void> {
  if (!/^[\x21-\x7e]{8,}$/.test(password)) {
    throw new InvalidInputError(
      `the password of database user "${user}" must be at least 8 printable ASCII characters`,
    );
  }
  const client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const role = pg.escapeIdentifier(user);
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [user]);
    const secret = pg.escapeLiteral(scramVerifier(password));
    await client.query(`${rowCount === 0 ? 'CREATE' : 'ALTER'} ROLE ${role} LOGIN PASSWORD ${secret}`);
    await client.query(`GRANT ${pg.escapeIdentifier(groupRole)} TO ${role}`);
  } catch (error) {
    throw new ProvisioningError(`database user "${user}" could not be set up: ${describeError(error)}`, {
      cause: error,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What Postgres stores for a password: SCRAM-SHA-256 (RFC 5803, section 2; RFC 7677 for the hash). */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const key = (name: string) => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${String(iterations)}:${salt.toString('base64')}$${storedKey}:${key('Server Key').toString('base64')}`;
}
