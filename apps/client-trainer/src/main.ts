import { runService } from '@fedcarbon/service';
import { clientTrainer } from './service.ts';

await runService(clientTrainer);
