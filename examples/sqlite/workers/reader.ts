import { Worker } from '@packet/core';
import Database from 'libsql';

/** One note. */
export interface Note {
  readonly id: number;
  readonly text: string;
}

/** Reads notes: a pool, each instance with a connection of its own to the database. */
export class Reader extends Worker {
  static override readonly config = { autoLoad: false, pool: 3 } as const;
  #database: Database.Database | undefined;
  #find: Database.Statement | undefined;
  #count: Database.Statement | undefined;

  override workerInit(file: unknown): void {
    const database = new Database(String(file), { readonly: true });
    this.#database = database;
    this.#find = database.prepare('SELECT id, text FROM notes WHERE instr(text, ?) > 0 ORDER BY id LIMIT 10');
    this.#count = database.prepare('SELECT count(*) AS count FROM notes');
  }

  /** The first notes with `word` in them. */
  find(word: string): readonly Note[] {
    return (this.#find?.all(word) ?? []).map((row) => {
      const { id, text } = row as Note;
      return { id, text };
    });
  }

  count(): number {
    const row = this.#count?.get() as { readonly count: number } | undefined;
    return row?.count ?? 0;
  }

  override unbind(): void {
    this.#database?.close();
  }
}
