import { WorkerProxy, type WorkerRequest } from '@packet/core';

type Counts = readonly (readonly [name: string, count: number])[];

/** The first argument, a name, decides which instance has the call. One about many names is asked name by name. */
export class ShardingProxy extends WorkerProxy {
  override request(request: WorkerRequest): void {
    if (request.method === 'counts') void this.#gather(request);
    else request.forward({ pickKey: String(request.args[0]) });
  }

  async #gather(request: WorkerRequest): Promise<void> {
    const [names] = request.args as [readonly string[]];
    const parts = names.map((name) => request.part([[name]], { pickKey: name }) as Promise<Counts>);
    try {
      request.answer((await Promise.all(parts)).flat());
    } catch (error) {
      request.fail(error);
    }
  }
}
