export { globalAggregator } from './service.ts';
