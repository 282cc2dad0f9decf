import { deepStrictEqual } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countSystemCalls } from '../src/hold/system-calls.ts';

describe('countSystemCalls', () => {
  it('does not count the call each thread was in when it was attached', () => {
    const trace = `17820 futex(0x566f9cc, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
17798 epoll_pwait(14,  <unfinished ...>
17800 restart_syscall(<... resuming interrupted read ...> <detached ...>
`;
    deepStrictEqual(countSystemCalls(trace), new Map());
  });

  it('counts what came after, by name, and the halves of a call once', () => {
    const trace = `10 epoll_pwait(14,  <unfinished ...>
11 futex(0x1, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
10 <... epoll_pwait resumed>[{events=EPOLLIN}], 1024, 5, NULL, 8) = 1
10 read(15, "x", 65536) = 1
10 epoll_pwait(14,  <unfinished ...>
11 <... futex resumed>) = 0
11 read(3,  <unfinished ...>
11 <... read resumed>"y", 1) = 1
`;
    deepStrictEqual(countSystemCalls(trace), new Map(Object.entries({ read: 2, epoll_pwait: 1 })));
  });

  it('counts neither signals nor exits', () => {
    const trace = `10 pause( <unfinished ...>
10 --- SIGCHLD {si_signo=SIGCHLD, si_pid=12} ---
10 +++ exited with 0 +++
`;
    deepStrictEqual(countSystemCalls(trace), new Map());
  });
});
