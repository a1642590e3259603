export * from './artefact.ts';
export * from './load-stock.ts';
export * from './locate-dataset.ts';
