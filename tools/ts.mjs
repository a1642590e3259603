// `node --import ./tools/ts.mjs file.ts` runs sources without a build; for development and test set-up only.
import { register } from 'node:module';

register('./ts-hooks.mjs', import.meta.url);
