import { runService } from '@fedcarbon/service';
import { globalAggregator } from './service.ts';

await runService(globalAggregator);
