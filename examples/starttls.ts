import { readFileSync } from 'node:fs';
import { FramedConnection, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

/**
 * A server of lines that begins in the clear and takes no name before TLS. Try:
 * `openssl s_client -starttls smtp -quiet -crlf -connect 127.0.0.1:11017`, then `LOGIN me`.
 */
class Mailroom extends FramedConnection<string> {
  #name = '';

  protected override createFramer(): LineFramer {
    return new LineFramer({ delimiter: '\r\n' });
  }

  override connectionCompleted(): void {
    this.sendMessage('220 mailroom');
  }

  override receiveMessage(line: string): void {
    const [command = '', name = ''] = line.split(' ');
    if (command === 'EHLO') {
      this.sendMessage('250 STARTTLS');
    } else if (command === 'STARTTLS' && this.tls === undefined) {
      // Leaves in the clear. Whatever the client sent on without waiting for it ends the connection, unread.
      this.sendMessage('220 go ahead');
      this.startTls();
    } else if (command === 'LOGIN' && this.tls === undefined) {
      this.sendMessage('530 not in the clear');
    } else if (command === 'LOGIN') {
      this.#name = name;
      this.sendMessage(`230 hello ${this.#name}`);
    } else {
      this.sendMessage('500 what?');
    }
  }

  override tlsCompleted(): void {
    // What was said before could have been said by anyone on the way.
    this.#name = '';
  }
}

const [port = '11017', key = 'key.pem', cert = 'cert.pem'] = process.argv.slice(2);
await Reactor.run(async (reactor) => {
  const tls = { key: readFileSync(key), cert: readFileSync(cert), begin: 'on-demand' } as const;
  const server = await reactor.startServer({ port: Number(port), tls }, Mailroom);
  console.log(`mailroom on port ${server.port}`);
});
