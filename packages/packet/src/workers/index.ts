export { createInlineLane, type InlineLane } from './inline-lane.ts';
export type { Frame, FrameType, Lane, LaneCapabilities, LaneLoss, LaneSink, MasterLane } from './lane.ts';
export { LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
