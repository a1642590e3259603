import { runService } from '@fedcarbon/service';
import { privacyAccountant } from './service.ts';

await runService(privacyAccountant);
