/** The name of an object's class, for messages. A class may have a static member `name` of its own. */
export function classNameOf(handler: object): string {
  try {
    const { name }: { readonly name: unknown } = handler.constructor;
    if (typeof name === 'string') return name;
  } catch {
    // Telling of a connection must not fail for its class's sake.
  }
  return 'Connection';
}
