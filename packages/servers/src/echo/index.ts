export { EchoConnection } from './echo-connection.ts';
