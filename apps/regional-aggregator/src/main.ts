import { runService } from '@fedcarbon/service';
import { regionalAggregator } from './service.ts';

await runService(regionalAggregator);
