import { runService } from '@fedcarbon/service';
import { sumHelper } from './service.ts';

await runService(sumHelper);
