import { type CloseReason, Connection, Reactor } from '@packet/core';

const MAX_BYTES = 16 * 1024 * 1024;

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
    if (this.bytesIn > MAX_BYTES) throw new RangeError(`the answer is longer than ${MAX_BYTES} bytes`);
  }

  override unbind({ error }: CloseReason): void {
    const response = Buffer.concat(this.#received);
    const endOfHead = response.indexOf('\r\n\r\n');
    const head = response.toString('latin1', 0, Math.max(0, endOfHead));
    const body = response.subarray(endOfHead + 4);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? body.length);
    if (error !== undefined) this.#fail(error.message);
    else if (!/^HTTP\/1\.[01] \d{3}/.test(head)) this.#fail('the answer is not HTTP');
    else if (body.length < length) this.#fail(`only ${body.length} of ${length} bytes came`);
    else process.stdout.write(`${head.split('\r\n')[0]}\n${body}\n`);
  }

  #fail(why: string): void {
    console.error(`${this.#url.href}: ${why}`);
    process.exitCode = 1;
  }
}

const url = new URL(process.argv[2] ?? 'http://127.0.0.1:8080/');
const timeoutMs = Number(process.argv[3] ?? 10_000);
await Reactor.run((reactor) => {
  const to = { host: url.hostname, port: Number(url.port || 80) };
  const limits = { connectTimeoutMs: timeoutMs, idleTimeoutMs: timeoutMs };
  reactor.connect({ ...to, ...limits, args: [url] }, HttpGet);
});
