export { type ChildLaneOptions, openChildLane } from './child-lane.ts';
export { createInlineLane, type InlineLane } from './inline-lane.ts';
export type { Frame, FrameType, Lane, LaneCapabilities, LaneLoss, LaneSink, MasterLane } from './lane.ts';
export { CHILD_LANE_OPTIONS, LANE_OPTIONS, type LaneLimits, PROCESS_LANE_OPTIONS } from './lane-options.ts';
export { openProcessLane, type ProcessLaneOptions, type ProcessLaneSink } from './process-lane.ts';
