import type { PacketEvents } from '@packet/core';

type Output = PacketEvents['packet:worker.output'];

/** Longest line of a worker that is waited for, in characters; what is longer comes in pieces. */
const LONGEST_LINE = 8192;

/** Cuts what workers write into lines and tags each with its worker: `[evaluate.0] …`. */
export class WorkerLines {
  readonly #write: (stream: Output['stream'], line: string) => void;
  /** Begun lines by tag and stream. */
  readonly #begun = new Map<string, { readonly output: Pick<Output, 'stream'>; readonly tag: string; text: string }>();

  constructor(write: (stream: Output['stream'], line: string) => void) {
    this.#write = write;
  }

  add(output: Output): void {
    const tag = tagOf(output);
    const id = `${output.stream} ${tag}`;
    const lines = ((this.#begun.get(id)?.text ?? '') + output.text).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) this.#say(output.stream, tag, line);
    if (rest.length > LONGEST_LINE) this.#say(output.stream, tag, rest);
    if (rest === '' || rest.length > LONGEST_LINE) this.#begun.delete(id);
    else this.#begun.set(id, { output, tag, text: rest });
  }

  /** The worker ended: what it had begun is all there will be. */
  end(worker: Omit<Output, 'stream' | 'text'>): void {
    const ended = tagOf(worker);
    for (const [id, { output, tag, text }] of this.#begun) {
      if (tag !== ended) continue;
      this.#begun.delete(id);
      this.#say(output.stream, tag, text);
    }
  }

  /** Everything begun is written. */
  flush(): void {
    for (const { output, tag, text } of this.#begun.values()) this.#say(output.stream, tag, text);
    this.#begun.clear();
  }

  #say(stream: Output['stream'], tag: string, line: string): void {
    this.#write(stream, `[${tag}] ${visible(line)}`);
  }
}

function tagOf({ worker, key, index }: Omit<Output, 'stream' | 'text'>): string {
  return `${worker}${key === undefined ? '' : `:${key}`}.${index}`;
}

/** What workers write and tell may come from their clients: it must not move the cursor or change the terminal's title. */
export function visible(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return line.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
    return character === '\r' ? '' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
