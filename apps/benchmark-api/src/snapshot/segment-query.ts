import { releasedSegment, type SegmentAnswer } from '@fedcarbon/benchmark';
import { InvalidInputError } from '@fedcarbon/kernel';
import { sameTerm } from '@fedcarbon/stock';
import type { PlanScope } from './plan-scope.ts';

/** Parameters that some release could answer, whatever this plan releases: life-cycle scope and reference period are part of the vocabulary. */
const KNOWN = ['use', 'country', 'structure', 'subtype', 'glazingArea', 'scope', 'rsp'];

export interface SegmentQuery {
  /** What was asked for, in the spelling of the release where it has one. */
  readonly segment: Readonly<Record<string, string>>;
  readonly answer: SegmentAnswer;
}

/**
 * Reads the query of GET /v1/benchmarks: "Massive brick", "massive-brick" and "MASSIVE BRICK" are one term.
 * Throws InvalidInputError for a parameter that nobody knows and for one given twice.
 */
export function segmentQuery({ plan }: PlanScope, parameters: URLSearchParams): SegmentQuery {
  const { margins } = plan.benchmarks.layout;
  const { use } = plan.stock;
  const known = new Set([...KNOWN, ...margins.filter(({ groups }) => groups.length > 1).map(({ name }) => name)]);
  const segment = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (!known.has(name)) {
      throw new InvalidInputError(`unknown query parameter "${name}"; there are ${[...known].join(', ')}`, {
        code: 'unknown_parameter',
      });
    }
    if (segment.has(name)) {
      throw new InvalidInputError(`query parameter "${name}" is given twice; ask for one group at a time`, {
        code: 'repeated_parameter',
      });
    }
    const uses = use === null ? [] : [use];
    const groups = name === 'use' ? uses : (margins.find((margin) => margin.name === name)?.groups ?? []);
    segment.set(name, sameTerm(groups, value) ?? value);
  }
  const asked = Object.fromEntries(segment);
  return { segment: asked, answer: releasedSegment({ use, margins }, asked) };
}
