/** A ratio with as many digits as it is worth: 0.97, 2.31, 13.2. */
export function ratioText(ratio: number): string {
  if (!Number.isFinite(ratio)) return 'n/a';
  return ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
}

/** A rate, size or count for people: 950, 12.3 k, 3.40 M. */
export function countText(count: number): string {
  if (!Number.isFinite(count)) return 'n/a';
  if (count >= 1e6) return `${(count / 1e6).toPrecision(3)} M`;
  if (count >= 1e4) return `${(count / 1e3).toPrecision(3)} k`;
  return count >= 100 || Number.isInteger(count) ? count.toFixed(0) : count.toPrecision(3);
}

/** Milliseconds: 0.42 ms, 12.3 ms, 1500 ms. */
export function msText(ms: number): string {
  return `${Math.abs(ms) >= 100 ? ms.toFixed(0) : Math.abs(ms) >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** Bytes in KiB or MiB. */
export function bytesText(bytes: number): string {
  if (Math.abs(bytes) < 1024) return `${bytes.toFixed(0)} B`;
  if (Math.abs(bytes) < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
}
