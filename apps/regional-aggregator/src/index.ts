export { regionalAggregator } from './service.ts';
