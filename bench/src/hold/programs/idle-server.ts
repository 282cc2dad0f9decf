// IDLE_TIMEOUT_MS: an echo server that prints, for each connection its idle timeout closed, how late that was, and how late a
// bare setTimeout of the same length was that was set at the same moment.
import { type CloseReason, Connection, Reactor } from '@packet/core';
import { printPort } from '../../servers/print-port.ts';

const timeoutMs = Number(process.argv[2]);

class Watched extends Connection {
  #movedAt = 0;
  #timer: Promise<number> | undefined;

  override receiveData(data: Buffer): void {
    this.sendData(data);
    // Read after the last thing that moved: what is measured from here can only look earlier than it is.
    this.#movedAt = performance.now();
    const setAt = this.#movedAt;
    this.#timer = new Promise((resolve) => {
      setTimeout(() => resolve(performance.now() - setAt - timeoutMs), timeoutMs);
    });
  }

  override async unbind(reason: CloseReason): Promise<void> {
    const lateMs = performance.now() - this.#movedAt - timeoutMs;
    if (reason.by === 'timeout') console.log(JSON.stringify({ lateMs, timerLateMs: await this.#timer }));
  }
}

await Reactor.run(async (reactor) => {
  printPort(await reactor.startServer({ host: '127.0.0.1', port: 0, idleTimeoutMs: timeoutMs }, Watched));
});
