// `npm run study:on-device [-- --plan NAME]`, while a simulation of that plan is served: asks each holder's own endpoint about its test records. How far its
// predictions lie from the outcomes, with the on-device model and by the federation's model alone, and how often the 80 % intervals hold the outcome.
import { metrics } from '@fedcarbon/learning';
import { stockView } from '@fedcarbon/plan';
import { outcomeOf, readHolderFile } from '@fedcarbon/stock';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: { plan: { type: 'string', default: 'ecebd-20' } } });
const home = process.env.FEDCARBON_HOME ?? join(import.meta.dirname, '../../.fedcarbon/federation');
const folder = join(home, 'plans', options.plan);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const plan = readJson(join(folder, 'plan.json'));
const { schema, outcome } = stockView(plan.stock);
const names = schema.features.map(({ name }) => name);

/** What a holder's trainer answers about one building. */
async function ask({ http, holder }, { attributes }) {
  const asked = Object.fromEntries(names.map((name) => [name, attributes[name]]));
  const response = await fetch(`http://${http.host}:${http.port}/v1/holders/${holder}/position`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ attributes: asked }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${holder}: ${answer.detail}`);
  return answer;
}

const trainers = readdirSync(folder).filter((name) => name.startsWith('client-trainer-'));
const holders = trainers.flatMap((name) => {
  const { http, holders } = readJson(join(folder, name));
  return holders.map(({ holder, dataDir }) => ({ http, holder, file: join(dataDir, 'test.csv') }));
});
const y = [];
const answers = [];
for (const place of holders.filter(({ file }) => existsSync(file))) {
  for (const record of readHolderFile(readFileSync(place.file, 'utf8'), schema).records) {
    y.push(outcomeOf(record, outcome));
    answers.push(await ask(place, record));
  }
}
const using = new Set(answers.filter(({ onDevice }) => onDevice?.used).map(({ holder }) => holder));
console.log(
  `${options.plan}: ${y.length} test records, each predicted by its holder; ${using.size} holders use their own model`,
);
for (const [label, predicted] of [
  ["the federation's model alone", answers.map(({ federation }) => federation.predictedIntensity)],
  ['with the on-device model', answers.map(({ predictedIntensity }) => predictedIntensity)],
]) {
  const { r2, mae, rmse } = metrics(y, predicted);
  console.log(
    `  ${label.padEnd(30)} R2 ${r2.toFixed(3)}   MAE ${mae.toFixed(2)}   RMSE ${rmse.toFixed(2)} ${plan.stock.unit}`,
  );
}
const intervals = answers.flatMap(({ interval }, i) => (interval === null ? [] : [{ ...interval, y: y[i] }]));
const held = intervals.filter(({ low, high, y: outcome }) => low <= outcome && outcome <= high);
console.log(
  `  the 80 % interval holds the outcome of ${((100 * held.length) / intervals.length).toFixed(1)} % of ${intervals.length} records that have one`,
);
