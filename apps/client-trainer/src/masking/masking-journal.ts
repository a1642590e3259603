import { join } from 'node:path';
import { FactFile, type FactFileOptions } from '@fedcarbon/service';

export interface MaskingJournalOptions extends Pick<FactFileOptions, 'log' | 'openFile'> {
  /** Folder of the holder's journal, which is open and holds the lock of both. */
  readonly dir: string;
  readonly holder: string;
  readonly dataset: string;
  readonly planHash: string;
}

/**
 * What a holder has persisted as a party of a plan's secure sum. Beside the journal, a file for each plan. With double masking it is worth as much as the
 * data: it holds the seed of its masks, whom it masks with, what it has sent and answered, so who reads it can take the masks off all that this holder has
 * sent and will send under the plan. With two servers it holds what was sent, and no seed.
 */
export function openMaskingJournal({ dir, holder, dataset, planHash, ...options }: MaskingJournalOptions) {
  return FactFile.open({
    ...options,
    path: join(dir, `${dataset}.${planHash.slice(0, 12)}.masking`),
    // An older copy would let the holder contradict itself.
    remedy: 'delete it, and put no older copy back: the holder takes no further part in the plan',
    identity: { kind: 'masking', version: 1, holder, dataset, planHash },
  });
}
