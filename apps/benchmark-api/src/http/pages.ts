import type { FederationPlan } from '@fedcarbon/contracts';
import { trustAssumption } from '@fedcarbon/plan';

/** The first page: says in words what this is. */
export function indexPage({ name, simulation, stock, privacy, regions }: FederationPlan): string {
  const holders = regions.reduce((sum, { members }) => sum + members.length, 0);
  const splitting = simulation
    ? '<strong>This federation is a simulation:</strong> its holders were made by splitting one data set on one machine. '
    : '';
  const about = `<p>${splitting}${dataSentence(stock)}</p>`;
  return page(
    'fedcarbon benchmarks',
    `<h1>fedcarbon benchmarks</h1>
<p>${String(holders)} data holders in ${String(regions.length)} regions train one model of buildings' ${stock.target.replaceAll('-', ' ')}
(${stock.unit}) and release benchmark percentiles together. Their records never leave them; what leaves them is protected by differential
privacy: at most epsilon ${String(privacy.epsilon)} at delta ${String(privacy.delta)} for each record of a data set, trust
<em>${privacy.trust}</em>. ${trustAssumption({ privacy })} Plan: <code>${name}</code>.</p>
${about}
<ul>
<li><a href="docs">Every request, with a form to try it</a></li>
<li><a href="openapi.json">The same for machines</a> (OpenAPI 3.1)</li>
<li><a href="readyz">Whether the service is ready</a></li>
</ul>
<p>Answers need a key from the operator:</p>
<pre>curl -H "Authorization: Bearer fc_..." ".../v1/benchmarks?country=DK"</pre>
<p>Percentiles come with intervals that contain the noise. What was not released is answered <code>not_released</code>, never with a count.
Every answer says at which position of the public ledger it was given, so that an auditor can recompute it.</p>`,
  );
}

/** Where the records come from. */
function dataSentence({ data }: FederationPlan['stock']): string {
  switch (data.kind) {
    case 'published':
      return `The records are those of a published file (SHA-256 <code>${data.sha256}</code>).`;
    case 'simulated':
      return `<strong>The records are simulated</strong> (seed ${String(data.seed)}): no figure here says anything about real buildings.`;
    case 'private':
      return "The records are the holders' own.";
  }
}

export const DOCS_PAGE = page(
  'fedcarbon benchmark API',
  '<div id="swagger-ui"></div>',
  '<link rel="stylesheet" href="docs/swagger-ui.css"><script src="docs/swagger-ui-bundle.js" defer></script><script src="docs/start.js" defer></script>',
);

export const DOCS_START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n`;

/** Every inserted text is made of the plan's narrow alphabets or is a number. */
function page(title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>body { font-family: system-ui, sans-serif; line-height: 1.5; max-width: 60rem; margin: 2rem auto; padding: 0 1rem } pre { overflow: auto }</style>
${head}</head>
<body>
${body}
</body></html>
`;
}
