import { atKey } from './not-encodable.ts';

/** An object's own fields. */
export type Fields = Record<string, unknown>;

/** Copies an object's own fields; where one cannot be read, the error says which. */
export function spread(source: object): Fields {
  try {
    return { ...source };
  } catch (error) {
    // A getter threw; the copy does not say which.
    for (const name of Object.keys(source)) {
      try {
        Reflect.get(source, name);
      } catch {
        throw atKey(error, name);
      }
    }
    throw error;
  }
}
