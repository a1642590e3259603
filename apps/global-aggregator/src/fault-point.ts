import type { Phase } from '@fedcarbon/secure-sum';

/** Steps between which a crash must lose nothing. Of the secure sum: before and after the commit that led into a phase or was made in it. */
export type FaultPoint =
  'report-stored' | 'closing' | 'closed' | 'opening' | 'opened' | `masking-${'unsaved' | 'saved'}-${Phase | 'idle'}`;
