/** Steps between which a crash must lose nothing. */
export type FaultPoint = 'round-stored' | 'settling' | 'update-stored' | 'reported';
