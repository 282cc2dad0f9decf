import { readFileSync } from 'node:fs';
import { Connection, Reactor, type ServerTlsOptions, type TlsInfo } from '@packet/core';

/**
 * Echo over TLS. Make a certificate with `packet cert`, then try:
 * `printf 'hello\n' | openssl s_client -quiet -connect 127.0.0.1:11016`
 */
class Echo extends Connection {
  override tlsCompleted({ protocol, cipher }: TlsInfo): void {
    console.log(`a client with ${protocol}, ${cipher.name}`);
  }

  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

const [port = '11016', key = 'key.pem', cert = 'cert.pem'] = process.argv.slice(2);
const load = (): ServerTlsOptions => ({ key: readFileSync(key), cert: readFileSync(cert) });

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer({ port: Number(port), tls: load() }, Echo);
  console.log(`echo over TLS on port ${server.port}`);
  // A renewed certificate is served to the next connection; if it cannot be used, the old one stays.
  const reload = (): void => {
    try {
      server.reloadTls(load());
      console.log('reloaded');
    } catch (error) {
      console.log(`not reloaded: ${error}`);
    }
  };
  process.on('SIGHUP', reload);
  reactor.onShutdown(() => process.off('SIGHUP', reload));
});
