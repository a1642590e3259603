import { setFlagsFromString } from 'node:v8';
import { runService } from '@fedcarbon/service';
import { benchmarkApi } from './service.ts';

// Prisma's query compiler is WebAssembly, and here it runs a few times a second: the code that V8 makes of it at first will do. Optimising it took up to
// 70 MB of resident memory. It is compiled at the first query, so this comes in time.
setFlagsFromString('--no-wasm-tier-up');
setFlagsFromString('--no-wasm-dynamic-tiering');

await runService(benchmarkApi);
