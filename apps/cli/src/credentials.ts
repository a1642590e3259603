import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '@fedcarbon/contracts';
import { InvalidInputError, type Signer, toBase64Url } from '@fedcarbon/kernel';
import type { Enrolment } from '@fedcarbon/plan';
import { generateKeyPem, type KeyType, loadSealingKey, loadSigner } from '@fedcarbon/service';
import type { Home } from './home.ts';

interface Stored {
  postgresPassword: string;
  databaseUsers: Record<string, string>;
  brokerUsers: Record<string, string>;
  apiKeys: Record<string, string>;
}

/** Passwords, API keys and signing keys of an installation; made when first asked for, kept in files of mode 0600. */
export class Credentials {
  private readonly home: Home;
  private readonly stored: Stored;

  private constructor(home: Home, stored: Stored) {
    this.home = home;
    this.stored = stored;
  }

  /** Opens the credentials of `home`. Throws InvalidInputError when the file cannot be read. */
  static open(home: Home): Credentials {
    if (!existsSync(home.credentialsFile)) {
      const fresh = { postgresPassword: secret(), databaseUsers: {}, brokerUsers: {}, apiKeys: {} };
      const credentials = new Credentials(home, fresh);
      credentials.save();
      return credentials;
    }
    try {
      return new Credentials(home, JSON.parse(readFileSync(home.credentialsFile, 'utf8')) as Stored);
    } catch {
      throw new InvalidInputError(`${home.credentialsFile} cannot be read: repair it, or start anew with --fresh`);
    }
  }

  get postgresPassword(): string {
    return this.stored.postgresPassword;
  }

  databasePassword(user: string): string {
    return this.made(this.stored.databaseUsers, user, secret);
  }

  brokerPassword(user: string): string {
    return this.made(this.stored.brokerUsers, user, secret);
  }

  /** `fc_<role>_<random>`: recognisable in a leak. */
  apiKey(role: Role): string {
    return this.made(this.stored.apiKeys, role, () => `fc_${role}_${secret()}`);
  }

  /** Path of a private key (PKCS#8 PEM), Ed25519 where nothing else is said. */
  keyFile(name: string, type: KeyType = 'Ed25519'): string {
    const file = join(this.home.keysDir, `${name}.pem`);
    if (!existsSync(file)) writeFileSync(file, generateKeyPem(type), { mode: 0o600 });
    return file;
  }

  signer(name: string): Signer {
    return loadSigner(this.keyFile(name));
  }

  /** Path of the X25519 key of a plan's second server. Each plan has its own: when the plan is over, it can be destroyed. */
  sealingKeyFile(plan: string): string {
    return this.keyFile(`helper-sealing-${plan}`, 'X25519');
  }

  /** Public keys of a plan's second server. */
  helper(plan: string): NonNullable<Enrolment['helper']> {
    return {
      publicKey: toBase64Url(this.signer('helper').publicKey),
      sealingKey: toBase64Url(loadSealingKey(this.sealingKeyFile(plan)).publicKey),
    };
  }

  private made(kind: Record<string, string>, name: string, make: () => string): string {
    const known = kind[name];
    if (known !== undefined) return known;
    const fresh = make();
    kind[name] = fresh;
    this.save();
    return fresh;
  }

  private save(): void {
    // Renaming is atomic: a kill leaves the old file or the new one, never half of it.
    const temporary = `${this.home.credentialsFile}.new`;
    writeFileSync(temporary, JSON.stringify(this.stored, null, 2), { mode: 0o600 });
    renameSync(temporary, this.home.credentialsFile);
  }
}

function secret(): string {
  return randomBytes(24).toString('base64url');
}
