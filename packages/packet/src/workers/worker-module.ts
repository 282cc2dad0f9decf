import { Worker, type WorkerClass, workerBrand } from './worker.ts';
import { proxyBrand, type WorkerProxyClass } from './worker-proxy.ts';

/** A method of a worker's API. */
export type WorkerMethod = (this: Worker, ...args: unknown[]) => unknown;

/** The worker class a module exports, and under which name. */
export interface FoundWorker {
  readonly exportName: string;
  readonly WorkerClass: WorkerClass;
}

const ELSEWHERE = 'modules that are no workers live outside the worker folder';

/**
 * Finds the one worker class of a module.
 * @returns the class, or in words why there is none to take.
 */
export function findWorkerClass(module: object): FoundWorker | string {
  const found = new Map<unknown, FoundWorker>();
  const others: string[] = [];
  for (const [exportName, value] of Object.entries(module)) {
    if (isWorkerClass(value)) {
      if (!found.has(value)) found.set(value, { exportName, WorkerClass: value });
    } else if (typeof value === 'function') {
      others.push(exportName);
    }
  }
  const [first, second] = [...found.values()];
  if (first === undefined) {
    const instead = others.length === 0 ? '' : ` (${others.join(', ')} does not extend it)`;
    return `it exports no class that extends Worker${instead}; ${ELSEWHERE}`;
  }
  if (second !== undefined) {
    return `it exports ${found.size} worker classes (${[...found.values()].map((one) => one.exportName).join(', ')}); one class a file`;
  }
  return first;
}

/**
 * Finds the one proxy class of a proxy module.
 * @returns the class, or in words why there is none to take.
 */
export function findProxyClass(module: object): WorkerProxyClass | string {
  const found = new Set<WorkerProxyClass>();
  for (const value of Object.values(module)) {
    if (isProxyClass(value)) found.add(value);
  }
  const [first] = found;
  if (first === undefined) return 'it exports no class that extends WorkerProxy';
  return found.size === 1 ? first : `it exports ${found.size} proxy classes; one class a file`;
}

function isProxyClass(value: unknown): value is WorkerProxyClass {
  return typeof value === 'function' && proxyBrand in value && !Object.hasOwn(value, proxyBrand);
}

/** Whether `value` extends `Worker`, of this copy of the package or another. */
function isWorkerClass(value: unknown): value is WorkerClass {
  return typeof value === 'function' && workerBrand in value && !Object.hasOwn(value, workerBrand);
}

/** The methods a worker offers: those of its class and its parents, up to `Worker`. */
export function methodsOf(WorkerClass: WorkerClass): ReadonlyMap<string, WorkerMethod> {
  const methods = new Map<string, WorkerMethod>();
  const hooks = new Set(Object.getOwnPropertyNames(Worker.prototype));
  let prototype: object | null = WorkerClass.prototype;
  while (prototype !== null && !isBase(prototype)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (typeof value !== 'function' || methods.has(name) || hooks.has(name) || /^[$_]/.test(name)) continue;
      methods.set(name, value as WorkerMethod);
    }
    prototype = Object.getPrototypeOf(prototype);
  }
  return methods;
}

/** Whether the class takes `askWorker`. */
export function receivesData(WorkerClass: WorkerClass): boolean {
  return overrides(WorkerClass, 'receiveData');
}

/** Whether the class has something to do when it ends. */
export function unbinds(WorkerClass: WorkerClass): boolean {
  return overrides(WorkerClass, 'unbind');
}

/** Whether the class takes live connections. */
export function adoptsConnections(WorkerClass: WorkerClass): boolean {
  return overrides(WorkerClass, 'adopted');
}

function overrides(WorkerClass: WorkerClass, hook: keyof Worker): boolean {
  let prototype: object | null = WorkerClass.prototype;
  while (prototype !== null && !isBase(prototype)) {
    if (Object.hasOwn(prototype, hook)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

function isBase(prototype: object): boolean {
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return prototype === Object.prototype || (typeof maker === 'function' && Object.hasOwn(maker, workerBrand));
}
