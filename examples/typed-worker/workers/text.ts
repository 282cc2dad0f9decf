import { Worker } from '@packet/core';

/** What a text is made of. */
export class Text extends Worker {
  count(text: string): { readonly words: number; readonly longest: string } {
    const words = text.split(/\s+/).filter((word) => word !== '');
    return {
      words: words.length,
      longest: words.reduce((long, word) => (word.length > long.length ? word : long), ''),
    };
  }
}
