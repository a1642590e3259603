/** `tampered`: something is there that no honest writer can have written. `incomplete`: something is missing, or not known to this verifier. */
export interface Finding {
  readonly verdict: 'tampered' | 'incomplete';
  /** The entry it is about, where it is about one. */
  readonly seq?: number;
  readonly what: string;
}

export type Report = (seq: number | undefined, what: string, verdict?: Finding['verdict']) => void;
