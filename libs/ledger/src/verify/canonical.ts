/** RFC 8785 text of a value that came out of `JSON.parse`: no white space, members in the order of their UTF-16 code units. */
export function canonicalTextOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalTextOf).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalTextOf(member)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
