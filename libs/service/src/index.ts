export { CheckedLines, type JournalFile, JournalUnwritableError, syncFolder } from './checked-lines.ts';
export { systemClock } from './clock.ts';
export { ConfigurationError, loadConfig } from './config.ts';
export {
  generateKeyPem,
  type KeyType,
  loadSealingKey,
  loadSigner,
  rememberingVerify,
  type SealingKey,
  sealingKeyFromPem,
  sha256,
  signerFromPem,
  verifySignature,
} from './crypto.ts';
export { faultInjection } from './fault-injection.ts';
export { placeFile, readFileIfAny, removeFileOf } from './exclusive-file.ts';
export { FactFile, type FactFileOptions } from './fact-file.ts';
export { healthModule, type Readiness } from './health.ts';
export { LockedError, takeLock } from './lock-file.ts';
export { createLogger, type Logger, nestLogger } from './logger.ts';
export { type LoadedPlan, loadPlan } from './plan.ts';
export { type Problem, problem, ProblemError, ProblemFilter } from './problem.ts';
export { isRunning, ownIdentity, type ProcessIdentity, processIdentity } from './process-identity.ts';
export { cryptoRandom } from './random.ts';
export {
  type RunningService,
  runService,
  type ServiceConfig,
  type ServiceDefinition,
  type ServiceParts,
  type ServiceTransport,
  startService,
} from './run-service.ts';
export { secureSumCrypto } from './secure-sum-crypto.ts';
export { SerialQueue } from './serial-queue.ts';
