/** The style sheet of the report page: one column on a phone, plots side by side where there is room, both colour schemes. */
export const PAGE_STYLE = `
:root { --ink: #1c2024; --soft: #5c6670; --page: #fff; --card: #f4f6f8; --rule: #d5dbe1; --ours: #0b6bcb; --base: #8a949e;
  --peer: #b9774a; --limit: #3c8d5a; --band: #8a949e38; --good: #1a7f45; --bad: #c02f2f; --open: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa5b0; --page: #14181c; --card: #1d2328; --rule: #38424b;
  --ours: #5aaaf7; --base: #77828d; --peer: #d39a70; --limit: #63b985; --band: #9aa5b02e; --good: #5cc98a; --bad: #f07f7f; --open: #e0b44c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
code, pre { font: .85rem/1.5 ui-monospace, monospace; } pre { overflow-x: auto; }
.notice { border-left: 4px solid var(--bad); background: var(--card); padding: .5rem .75rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .75rem; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
.plot { display: block; width: 100%; height: auto; max-width: 36rem; }
.plot text { fill: var(--ink); font: 12px system-ui, sans-serif; } .plot .tick { fill: var(--soft); font-size: 11px; }
.plot .value { font-weight: 600; }
.plot .name, .plot .value, .plot .tick { paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
.bar.ours { fill: var(--ours); } .bar.base, .bar.same { fill: var(--base); } .bar.same { opacity: .6; }
.bar.peer { fill: var(--peer); } .bar.limit { fill: var(--limit); }
.band { fill: var(--band); } .one { stroke: var(--soft); } .goal { stroke: var(--bad); stroke-dasharray: 4 3; stroke-width: 1.5; }
.spread { stroke: var(--ink); fill: none; stroke-width: 1.2; }
.goals { list-style: none; padding: 0; display: grid; gap: .4rem; }
.goals li { border-left: 4px solid var(--rule); background: var(--card); padding: .4rem .75rem; }
.goals .figures { color: var(--soft); } .goals small { display: block; color: var(--soft); }
.goals .pass { text-transform: uppercase; font-size: .75rem; letter-spacing: .03em; }
.met { border-color: var(--good) !important; } .met .pass { color: var(--good); }
.missed { border-color: var(--bad) !important; } .missed .pass { color: var(--bad); }
.not-decided-here { border-color: var(--open) !important; } .not-decided-here .pass { color: var(--open); }
.table { overflow-x: auto; margin: .75rem 0; } table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); white-space: nowrap; } th { white-space: normal; overflow-wrap: normal; min-width: 6.5rem; vertical-align: bottom; } .left { text-align: left; } .right { text-align: right; }
details summary { cursor: pointer; color: var(--soft); margin-top: .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
`;
