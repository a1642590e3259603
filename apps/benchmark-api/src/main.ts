import { runService } from '@fedcarbon/service';
import { benchmarkApi } from './service.ts';

await runService(benchmarkApi);
