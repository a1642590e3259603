import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createDatabase, type Database } from '../database.ts';
import { migrate } from '../migrations.ts';
import { type GroupRole, provisionLogin } from '../provisioning.ts';

/** A migrated database for tests, and ways to enter it. */
export interface MigratedDatabase {
  readonly ownerUrl: string;
  /** As the superuser, who may do what no service may. */
  readonly owner: Database;
  /** Url of a fresh login user with the rights of one service. */
  loginUrl(role: GroupRole): Promise<string>;
  /** A database handle of such a user. */
  as(role: GroupRole, poolSize?: number): Promise<Database>;
  /** Closes every handle and removes the login users. */
  close(): Promise<void>;
}

/** Migrates the empty database at `ownerUrl` (`testDatabase()` of @fedcarbon/testing). */
export async function migratedDatabase(ownerUrl: string): Promise<MigratedDatabase> {
  await migrate(ownerUrl);
  const owner = createDatabase({ url: ownerUrl, poolSize: 4 });
  const handles = [owner];
  const users: string[] = [];
  const loginUrl = async (role: GroupRole) => {
    const user = `${role}_test_${randomBytes(6).toString('hex')}`;
    const password = randomBytes(16).toString('hex');
    await provisionLogin(ownerUrl, user, password, role);
    users.push(user);
    const url = new URL(ownerUrl);
    [url.username, url.password] = [user, password];
    return url.href;
  };
  return {
    ownerUrl,
    owner,
    loginUrl,
    async as(role, poolSize = 4) {
      const handle = createDatabase({ url: await loginUrl(role), poolSize });
      handles.push(handle);
      return handle;
    },
    async close() {
      await Promise.all(handles.map((handle) => handle.close()));
      const client = new pg.Client({ connectionString: ownerUrl });
      await client.connect();
      for (const user of users) await client.query(`DROP ROLE ${client.escapeIdentifier(user)}`);
      await client.end();
    },
  };
}
