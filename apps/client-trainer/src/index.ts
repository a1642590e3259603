export { clientTrainer } from './service.ts';
