const BEYOND_LATIN1 = /[\u0100-\uffff]/;

/** Whether every character of a text is one byte in latin1; of others Node would write the low byte. */
export function isLatin1(text: string): boolean {
  return !BEYOND_LATIN1.test(text);
}
