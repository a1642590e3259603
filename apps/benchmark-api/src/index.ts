export { benchmarkApi } from './service.ts';
