import { setImmediate as nextTurn } from 'node:timers/promises';
import { estimatePercentiles, OTHER_GROUP, type Segment, type SegmentEstimate } from '@fedcarbon/benchmark';
import { decodeIntegers, toSigned } from '@fedcarbon/codec';
import type { FederationPlan } from '@fedcarbon/contracts';
import type { BenchmarkReleaseRow } from '@fedcarbon/persistence';

/** The percentiles of every segment of one benchmark release. */
export class ReleaseEstimates {
  readonly version: number;
  readonly #estimates: ReadonlyMap<string, SegmentEstimate>;

  private constructor(version: number, estimates: ReadonlyMap<string, SegmentEstimate>) {
    this.version = version;
    this.#estimates = estimates;
  }

  /** One segment takes about 20 ms; requests are served in between. */
  static async of({ benchmarks }: FederationPlan, release: BenchmarkReleaseRow): Promise<ReleaseEstimates> {
    const { layout, nominalRecords, confidence, maxRelativeHalfWidth } = benchmarks;
    const { values, bits } = decodeIntegers(release.counts);
    const noisyCounts = toSigned(values, bits);
    const estimates = new Map<string, SegmentEstimate>();
    for (const { name, groups } of layout.margins) {
      for (const group of groups) {
        if (groups.length > 1 && group === OTHER_GROUP) continue;
        await nextTurn();
        const segment = { margin: name, group };
        const estimate = estimatePercentiles({
          ...{ layout, noisyCounts, noiseSd: release.noiseSd, nominalRecords, segment },
          ...{ confidence, maxRelativeHalfWidth },
        });
        estimates.set(keyOf(segment), estimate);
      }
    }
    return new ReleaseEstimates(release.version, estimates);
  }

  find(segment: Segment): SegmentEstimate | undefined {
    return this.#estimates.get(keyOf(segment));
  }
}

const keyOf = ({ margin, group }: Segment): string => `${margin}=${group}`;
