export { sumHelper } from './service.ts';
