import { type CloseReason, Connection, Reactor } from '@packet/core';

/** Answers numbers with their squares, the larger ones later. */
class Squares extends Connection {
  override async receiveData(data: Buffer): Promise<void> {
    const number = Number(data.toString());
    await new Promise<void>((done) => setTimeout(done, number));
    this.sendData(String(number * number));
  }
}

/** One question to the server. What EventMachine has callbacks and errbacks for is one promise here. */
class Question extends Connection {
  readonly answer: Promise<number>;
  readonly #number: number;
  #succeed: (answer: number) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(number: number) {
    super();
    this.#number = number;
    this.answer = new Promise((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
  }
  override connectionCompleted(): void {
    this.sendData(String(this.#number));
  }
  override receiveData(data: Buffer): void {
    this.#succeed(Number(data.toString()));
    this.closeConnection();
  }
  // It always comes, so the promise always settles; after the answer it changes nothing.
  override unbind(reason: CloseReason): void {
    this.#fail(reason.error ?? new Error(`closed by ${reason.by}`));
  }
}

await Reactor.run(async (reactor) => {
  const { port } = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Squares);
  const ask = (number: number, options: { port: number; idleTimeoutMs?: number } = { port }): Promise<number> =>
    reactor.connect({ host: '127.0.0.1', ...options, args: [number] }, Question).answer;

  // One after the other, and all at once.
  console.log('one:', await ask(2));
  console.log('all:', (await Promise.all([3, 4, 5].map((number) => ask(number)))).join(' '));

  // An errback is a catch; a timeout is an option of the connection.
  console.log('refused:', await ask(1, { port: 1 }).catch((error) => error.code));
  console.log('too slow:', await ask(500, { port, idleTimeoutMs: 50 }).catch((error) => error.message));

  // Runs when the reactor stops, before its connections end; it may be async.
  reactor.onShutdown(() => console.log('stopping'));
  void reactor.stop({ drainMs: 0 });
});
