import type { ServerResponse } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Role } from '@fedcarbon/contracts';
import { problem } from '@fedcarbon/service';
import { type CanActivate, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import type { Asker } from '../snapshot/snapshot.ts';
import { ApiKeys } from './api-keys.ts';

const ROLES = 'fedcarbon:roles';
/** Roles that may call a handler. Without it every key may. */
export const Roles = (...roles: readonly Role[]) => SetMetadata(ROLES, roles);

/** A request that the guard has let through. */
export interface AskedRequest extends IncomingMessage {
  asker: Asker;
}

/** Lets requests with a known key through: 401 without one, 403 when its role does not suffice. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #keys: ApiKeys;

  constructor(@Inject(ApiKeys) keys: ApiKeys) {
    this.#keys = keys;
  }

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const request = http.getRequest<AskedRequest>();
    const asker = this.#keys.askerOf(request.headers.authorization);
    if (asker === undefined) {
      http.getResponse<ServerResponse>().setHeader('WWW-Authenticate', 'Bearer realm="fedcarbon"');
      const detail = 'send a key that the operator gave you, as "Authorization: Bearer fc_..."';
      throw problem(401, 'no_key', 'A known API key is needed', detail);
    }
    const roles = Reflect.getMetadata(ROLES, context.getHandler()) as readonly Role[] | undefined;
    if (roles !== undefined && !roles.includes(asker.role)) {
      const detail = `your key has the role ${asker.role}; this needs ${roles.join(' or ')}`;
      throw problem(403, 'role', 'Not for this role', detail);
    }
    request.asker = asker;
    return true;
  }
}
