export type { Frame, FrameType, Lane, LaneCapabilities, LaneLoss, LaneSink } from './lane.ts';
