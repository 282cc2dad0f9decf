export type { Ask, AskOptions, AskOrigin, WorkerService } from './worker-service.ts';
