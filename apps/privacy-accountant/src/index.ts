export { Accountant, type AccountantParts } from './accountant.ts';
export { privacyAccountant } from './service.ts';
