import { type CloseReason, Connection, Reactor } from '@packet/core';

/** Fetches one page over HTTP/1.0, where the end of the body is the end of the connection (RFC 1945 7.2.2). */
class HttpGet extends Connection {
  readonly #url: URL;
  readonly #received: Buffer[] = [];

  constructor(url: URL) {
    super();
    this.#url = url;
  }

  override postInit(): void {
    const { host, pathname, search } = this.#url;
    this.sendData(`GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  }

  override receiveData(data: Buffer): void {
    this.#received.push(data);
  }

  override unbind(reason: CloseReason): void {
    if (reason.error !== undefined) {
      console.error(`${this.#url.href}: ${reason.error.message}`);
      process.exitCode = 1;
      return;
    }
    const response = Buffer.concat(this.#received).toString('latin1');
    const endOfHead = response.indexOf('\r\n\r\n');
    console.log(response.slice(0, response.indexOf('\r\n')));
    console.log(Buffer.from(response.slice(endOfHead + 4), 'latin1').toString());
  }
}

const url = new URL(process.argv[2] ?? 'http://127.0.0.1:8080/');
await Reactor.run((reactor) => {
  const to = { host: url.hostname, port: Number(url.port || 80), idleTimeoutMs: 10_000 };
  reactor.connect({ ...to, args: [url] as const }, HttpGet);
});
