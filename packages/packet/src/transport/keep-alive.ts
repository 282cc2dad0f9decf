/** Keep-alive as `node:net` wants it told, when listening and when connecting. */
export function keepAlive(options: { readonly keepAliveMs?: number }): {
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
} {
  const { keepAliveMs = 0 } = options;
  return { keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs };
}
