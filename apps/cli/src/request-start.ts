import { brokerUser, SUBJECTS, signStatement, START_REQUEST_V1, StartReply } from '@fedcarbon/contracts';
import { FedcarbonError, fromUtf8 } from '@fedcarbon/kernel';
import { connectBroker, requestSigned } from '@fedcarbon/messaging';
import { setTimeout as pause } from 'node:timers/promises';
import type { Credentials } from './credentials.ts';
import { brokerAccess } from './provision.ts';

const REQUEST_TIMEOUT_MS = 5000;
/** A global-aggregator that is just being started again answers within this time. */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 500;
const ignore = () => undefined;

/**
 * Asks the global-aggregator, as the operator, to open the first round of a plan, again when there is no answer: it starts a plan once. Throws FedcarbonError
 * when it refuses or never answers.
 */
export async function requestStart(brokerUrl: string, planHash: string, credentials: Credentials): Promise<void> {
  const access = brokerAccess(brokerUrl, brokerUser.service('operator'), credentials);
  const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const connection = await connectBroker({ access, name: 'operator', logger: quiet });
  try {
    const request = signStatement(START_REQUEST_V1, { planHash }, credentials.signer('operator'));
    const bytes = await patiently(() => requestSigned(connection, SUBJECTS.controlStart, request, REQUEST_TIMEOUT_MS));
    const reply = StartReply.parse(JSON.parse(fromUtf8(bytes)));
    if (reply.kind === 'error')
      throw new FedcarbonError(reply.code, `the federation was not started: ${reply.message}`);
  } finally {
    await connection.close();
  }
}

async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(PAUSE_MS);
    }
  }
}
