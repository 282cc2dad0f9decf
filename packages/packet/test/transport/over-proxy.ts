import { systemClock } from '../../src/clock.ts';
import { ProxyGate } from '../../src/reactor/accepting/proxy-gate.ts';
import { resolveServerOptions } from '../../src/reactor/connection-options.ts';
import type { Engine, Incoming, ListenSink, Transport, TransportSink } from '../../src/transport/index.ts';
import type { MakeEngine } from './stage.ts';

/** A header that changes no address, so that both ends still agree on them. */
const HEADER = Buffer.from('PROXY UNKNOWN\r\n');

/** The engine that `make` opens, each connection it accepts beginning with a PROXY header. */
export function overProxy(make: MakeEngine): MakeEngine {
  return async () => {
    const made = await make();
    return { ...made, engine: proxied(made.engine) };
  };
}

function proxied(plain: Engine): Engine {
  return {
    name: plain.name,
    can: plain.can,
    listen: (endpoint, options, sink) => {
      const gate = gateTo(sink);
      return plain.listen(endpoint, options, {
        incoming: (peer) => gate.read(withHeader(peer)),
        trouble: (error) => sink.trouble(error),
      });
    },
    connect: (endpoint, options, sink) => plain.connect(endpoint, options, sink),
    attach: (source, sink) => plain.attach(source, sink),
    broadcast: (targets, bytes) => plain.broadcast(targets, bytes),
  };
}

function gateTo(sink: ListenSink): ProxyGate {
  const options = resolveServerOptions({ port: 0 });
  return new ProxyGate(systemClock, options, 'v1', { named: (peer) => sink.incoming(peer), unnamed: () => undefined });
}

/** As if the client's bytes came behind a header. */
function withHeader(peer: Incoming): Incoming {
  const open = (sink: TransportSink): Transport => {
    const inner = peer.open({
      reads: sink.reads,
      opened: () => {
        sink.opened();
        sink.bytes(HEADER);
      },
      bytes: (chunk) => sink.bytes(chunk),
      drained: () => sink.drained(),
      ended: (clean) => sink.ended(clean),
      closed: (reason) => sink.closed(reason),
    });
    return new Proxy(inner, {
      get(target, name) {
        if (name === 'bytesIn') return target.bytesIn + HEADER.length;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return {
    local: peer.local,
    remote: peer.remote,
    open,
    detach: () => peer.detach(),
    refuse: () => peer.refuse(),
  };
}
