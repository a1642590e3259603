// The Python reference on a study's own records: tools/reference/int_gam_reference.py says what goes in and out.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const script = join(import.meta.dirname, '../reference/int_gam_reference.py');

/** An encoded stock as the reference reads it. */
export function recordsOf({ shape: { d }, codes, y }) {
  return { codes: Array.from(y, (_, i) => [...codes.subarray(i * d, (i + 1) * d)]), y: [...y] };
}

/** What the reference answers, or why it could not run. */
export function askReference(input) {
  let reason = 'there is no python3';
  // A python3 of the user's own may lack what the system's has.
  for (const python of ['python3', '/usr/bin/python3']) {
    const { status, stdout, stderr } = spawnSync(python, [script], {
      input: JSON.stringify(input),
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    if (status === 0) return JSON.parse(stdout);
    reason = stderr?.trim().split('\n').at(-1) || reason;
  }
  return `${reason} (python3 needs numpy and scipy)`;
}
