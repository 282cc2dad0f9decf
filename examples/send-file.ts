import { Connection, PacketError, Reactor } from '@packet/core';

const [port = '11013', file = 'package.json'] = process.argv.slice(2);

/** Sends one file to whoever connects, however large it is, 64 KiB in memory at a time. Try `nc 127.0.0.1 11013`. */
class FileServer extends Connection {
  override async connectionCompleted(): Promise<void> {
    try {
      const sent = await this.sendFile(file);
      console.log(`sent ${sent} bytes`);
    } catch (error) {
      // Nothing was sent of a file that is missing; a peer that has gone needs no answer.
      if (error instanceof PacketError && error.code === 'ERR_PACKET_FILE') this.sendData(`${error.message}\n`);
    }
    this.closeConnectionAfterWriting();
  }
}

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer({ port: Number(port) }, FileServer);
  console.log(`file on port ${server.port}`);
});
