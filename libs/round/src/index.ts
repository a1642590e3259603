export * from './federation.ts';
export * from './masking.ts';
export * from './pick.ts';
export * from './recipe.ts';
export * from './region-round.ts';
export * from './summation.ts';
