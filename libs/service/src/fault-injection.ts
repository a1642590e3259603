/**
 * For tests of crashes: under NODE_ENV=test, FEDCARBON_FAULT=<point> ends the process at that point as `kill -9` does, FEDCARBON_FAULT=<point>:<n> when it gets
 * there for the n-th time. Everywhere else it does nothing.
 */
export function faultInjection<Point extends string>(
  env: Readonly<Record<string, string | undefined>> = process.env,
): (point: Point) => void {
  const [wanted, times = '1'] = (env['NODE_ENV'] === 'test' && env['FEDCARBON_FAULT']?.split(':')) || [];
  let left = Number(times);
  return (point) => {
    if (point === wanted && --left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
