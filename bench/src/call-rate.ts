import type { Children } from './children.ts';
import type { Sample } from './comparison.ts';
import { type CallShape, shapeArguments } from './contenders/call-loop.ts';
import { parseSample } from './sample.ts';

/** Longest time a contender may take beyond its own warm-up and measurement: starting workers, checking an answer. */
const PATIENCE_MS = 15_000;

/** Runs one contender in a process of its own and reads its rate. */
export async function measureCalls(
  children: Children,
  program: string,
  shape: CallShape,
  extraArgs: readonly string[],
  nodeArgs: readonly string[],
): Promise<Sample> {
  const contender = children.startNode(program, [...shapeArguments(shape), ...extraArgs], nodeArgs);
  try {
    const sample = parseSample(await contender.nextLine(shape.warmUpMs + shape.measureMs + PATIENCE_MS));
    // It ends by itself after the line; a profile is written on the way.
    await contender.exited;
    return sample;
  } finally {
    await contender.end();
  }
}
