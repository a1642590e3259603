import { readFileSync } from 'node:fs';

const swc = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));

/** What every project shares: native ES modules, sources instead of dist, nothing global. */
const base = {
  rootDir: import.meta.dirname,
  roots: ['<rootDir>/apps', '<rootDir>/libs'],
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  injectGlobals: false,
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['@swc/jest', { ...swc, swcrc: false }] },
  modulePathIgnorePatterns: ['<rootDir>/(apps|libs)/[^/]+/dist/'],
};

/** Suites that talk to real servers share one Postgres and one nats-server per run. */
const withServers = {
  ...base,
  globalSetup: '<rootDir>/tools/jest-servers.mjs',
  globalTeardown: '<rootDir>/tools/jest-servers-stop.mjs',
};

export default {
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: ['**/src/**/*.spec.ts'],
      testPathIgnorePatterns: ['\\.(int|e2e)\\.spec\\.ts$'],
    },
    { ...withServers, displayName: 'int', testMatch: ['**/src/**/*.int.spec.ts'] },
    { ...withServers, displayName: 'e2e', testMatch: ['**/src/**/*.e2e.spec.ts'] },
  ],
};
