import type { ResolveHook } from 'node:module';

/**
 * A `.ts` file is a module, also where no package.json says so. As CommonJS it would get a copy of `@packet/core` of its own,
 * and its classes would be strangers to ours.
 */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const resolved = await nextResolve(specifier, context);
  if (resolved.format !== 'commonjs' || !resolved.url.endsWith('.ts')) return resolved;
  return { ...resolved, format: 'module' };
};
