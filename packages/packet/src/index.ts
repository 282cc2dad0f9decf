export { PacketError } from './errors.ts';
