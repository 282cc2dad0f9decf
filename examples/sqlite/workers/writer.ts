import { Worker } from '@packet/core';
import Database from 'libsql';

/** Writes notes: one instance, so that no two writers ever wait for each other's lock. */
export class Writer extends Worker {
  static override readonly config = { autoLoad: false } as const;
  #database: Database.Database | undefined;
  #insert: Database.Statement | undefined;

  override workerInit(file: unknown): void {
    const database = new Database(String(file));
    // Readers go on while one writes.
    database.pragma('journal_mode = WAL');
    database.exec(`CREATE TABLE IF NOT EXISTS notes (
      id INTEGER PRIMARY KEY,
      text TEXT NOT NULL CHECK (length(text) BETWEEN 1 AND 200)
    )`);
    this.#database = database;
    this.#insert = database.prepare('INSERT INTO notes (text) VALUES (?)');
  }

  /** Adds a note and returns its number. */
  add(text: string): number {
    return Number(this.#insert?.run(text).lastInsertRowid);
  }

  override unbind(): void {
    this.#database?.close();
  }
}
