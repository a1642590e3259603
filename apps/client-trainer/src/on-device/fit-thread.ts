import { parentPort, workerData } from 'node:worker_threads';
import { type FitInput, fitOnRecords } from './fit.ts';

// The thread that `fitOnThread` starts: one fit, one answer.
parentPort?.postMessage(fitOnRecords(workerData as FitInput));
