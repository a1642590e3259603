import { OTHER_GROUP } from './layout.ts';
import type { Margin } from './layout.ts';
import type { Segment } from './reconcile.ts';

/** What a release covers: one use of buildings (null where the records tell none), and the margins counted over it. */
export interface ReleaseScope {
  readonly use: string | null;
  readonly margins: readonly Pick<Margin, 'name' | 'groups'>[];
}

/** Which segment answers a query, or why none does. A reason depends on public facts only, never on counts. */
export type SegmentAnswer =
  | { readonly status: 'released'; readonly segment: Segment }
  | { readonly status: 'not_released'; readonly reason: string };

/**
 * The released segment for a query such as `{ use: 'residential', country: 'France' }`: `use` must be the scope's, and at most one other filter may
 * be given, the name of a margin with one of its groups (letter case does not matter). No filter means all records. Two filters at once, an
 * unknown filter, an unlisted group and `other` are not released.
 */
export function releasedSegment(
  scope: ReleaseScope,
  query: Readonly<Record<string, string | undefined>>,
): SegmentAnswer {
  const { use, ...rest } = query;
  const filters = Object.entries(rest).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (use !== undefined && scope.use === null) return notReleased(`use "${use}": this release tells no uses apart`);
  if (use !== undefined && scope.use !== null && !sameText(use, scope.use))
    return notReleased(`use "${use}": this release covers "${scope.use}"`);
  if (filters.length > 1) {
    return notReleased(`${filters.map(([name]) => name).join(' and ')} together: one filter at a time is released`);
  }
  const [filter] = filters;
  if (!filter) {
    const whole = scope.margins.find((margin) => margin.groups.length === 1);
    return whole ? released(whole, whole.groups[0] ?? '') : notReleased('all records: this release has no such margin');
  }
  const [name, value] = filter;
  const margin = scope.margins.find((candidate) => candidate.name === name && candidate.groups.length > 1);
  if (!margin) return notReleased(`${name}: this release has no such margin`);
  const group = margin.groups.find((candidate) => candidate !== OTHER_GROUP && sameText(candidate, value));
  return group === undefined ? notReleased(`${name} "${value}": not a group of this release`) : released(margin, group);
}

function released(margin: Pick<Margin, 'name'>, group: string): SegmentAnswer {
  return { status: 'released', segment: { margin: margin.name, group } };
}

function notReleased(reason: string): SegmentAnswer {
  return { status: 'not_released', reason };
}

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
