const MISSING = new Set(['', 'n/a', 'no data']);

/** The trimmed text of a cell, or null when it stands for "missing": empty, "n/a", "no data" in any case. */
export function textOf(cell: string): string | null {
  const text = cell.trim();
  return MISSING.has(text.toLowerCase()) ? null : text;
}

/**
 * The term for a category as sources write it: lower case, remarks in brackets dropped, words joined by hyphens; null for "missing".
 * "Ceramics (e.g., fired clay bricks)" is `ceramics`, "frame concrete/wood" is `frame-concrete-wood`. Idempotent, and fit for a URL.
 */
export function termOf(cell: string): string | null {
  const text = textOf(cell);
  if (text === null) return null;
  const words = text
    .toLowerCase()
    .replace(/\([^)]*\)/g, ' ')
    .replace(/\bw\/o\b/g, 'without')
    .match(/[\p{L}\p{N}]+/gu);
  return words === null ? null : words.join('-');
}

/** The one of `terms` that `text` is another spelling of. */
export function sameTerm(terms: readonly string[], text: string): string | undefined {
  const term = termOf(text);
  return term === null ? undefined : terms.find((candidate) => termOf(candidate) === term);
}
