"""The style of a report: light and dark, narrow and wide, on paper."""

# Okabe and Ito's colours, shifted where one would not stand out from the page; words, marks, frames and dashes say
# the same as the colours
STYLE = """
:root { color-scheme: light dark; --page: #f6f6f4; --card: #fff; --text: #1c1c1a; --soft: #5f5f59; --line: #dcdcd6;
  --link: #2b51bd; --same: #00795a; --near: #a06a00; --other: #c04a00; --query: #3a5fcd; --strong: #eef2fb;
  --s0: #0072b2; --s1: #c76f00; --s2: #00795a; --s3: #b3478a; --s4: #3d3d3a; --s5: #8a6d00; }
@media screen and (prefers-color-scheme: dark) { :root { --page: #161615; --card: #222220; --text: #ecece6;
  --soft: #a9a9a1; --line: #3a3a36; --link: #9db4ff; --same: #2fc297; --near: #f0b429; --other: #ff8c47;
  --query: #8aa6ff; --strong: #283046; --s0: #5cb8f0; --s1: #f5a742; --s2: #2fc297; --s3: #e691c3; --s4: #d8d8d2;
  --s5: #e6cf4a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
p, ul, pre { margin: .6rem 0; max-width: 62rem; }
.soft { color: var(--soft); font-size: .88rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1rem 0 0; }
a { color: var(--link); }
section { border-top: 1px solid var(--line); margin-top: 1.75rem; padding-top: 1.25rem; }
.scroll { overflow-x: auto; margin: .8rem 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; min-width: 9rem; }
.numbers td, .numbers thead th + th { text-align: right; min-width: 4.5rem; }
.numbers td { white-space: nowrap; }
.words td + td { min-width: 12rem; }
tr.strong > * { background: var(--strong); font-weight: 600; }
tr.grey > *, td.faint { color: var(--soft); }
td.faint { font-style: italic; }
code, pre { font: .86em/1.5 ui-monospace, monospace; }
pre { padding: .8rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; overflow-x: auto;
  overflow-wrap: normal; }
li { margin: .25rem 0; }
details { margin: .8rem 0; }
summary { cursor: pointer; font-weight: 600; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .5rem; max-width: 62rem; }
.picture { margin: .8rem 0; }
.picture img { display: block; width: 100%; max-width: 54rem; height: auto; background: #fff; border-radius: .5rem;
  border: 1px solid var(--line); }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr));
  margin: .8rem 0; }
.charts figure { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem; }
.charts figcaption { margin: 0 0 .25rem; color: var(--text); font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--soft); font-size: 13px; text-anchor: middle; }
.tick.up { text-anchor: end; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.area { fill-opacity: .22; stroke: none; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; list-style: none; padding: 0; }
.legend li { display: flex; align-items: center; gap: .5rem; margin: 0; }
.legend svg { width: 2.2rem; flex: none; }
.line.s0 { stroke: var(--s0); } .dot.s0, .area.s0 { fill: var(--s0); }
.line.s1 { stroke: var(--s1); stroke-dasharray: 7 3; } .dot.s1, .area.s1 { fill: var(--s1); }
.line.s2 { stroke: var(--s2); stroke-dasharray: 2 3; } .dot.s2, .area.s2 { fill: var(--s2); }
.line.s3 { stroke: var(--s3); stroke-dasharray: 9 3 2 3; } .dot.s3, .area.s3 { fill: var(--s3); }
.line.s4 { stroke: var(--s4); stroke-dasharray: 12 4; } .dot.s4, .area.s4 { fill: var(--s4); }
.line.s5 { stroke: var(--s5); stroke-dasharray: 4 4; } .dot.s5, .area.s5 { fill: var(--s5); }
.tiles { display: grid; gap: .6rem; margin: .8rem 0; }
.tiles ol { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(7.5rem, 9rem)); }
.tiles li { margin: 0; }
.tiles figure { height: 100%; padding: .35rem; background: var(--card); border: 3px solid var(--line);
  border-radius: .5rem; }
.tiles .query { border-color: var(--query); }
.tiles .same { border-color: var(--same); }
.tiles .near { border-color: var(--near); border-style: double; }
.tiles .other { border-color: var(--other); border-style: dashed; }
.tiles img, .missing { display: block; width: 100%; aspect-ratio: 1; border-radius: .25rem; background: #fff; }
.missing { display: grid; place-content: center; font-size: .75rem; background: var(--page); color: var(--soft); }
.tiles figcaption { font-size: .78rem; line-height: 1.35; margin-top: .3rem; color: var(--text); }
.tiles p { margin: 0; }
.query .mark { color: var(--query); } .same .mark { color: var(--same); }
.near .mark { color: var(--near); } .other .mark { color: var(--other); }
.mark { font-weight: 600; }
@media (max-width: 40rem) { body { padding: 1rem; } .tiles ol { grid-template-columns: repeat(3, 1fr); }
  .tiles ol > :first-child { grid-column: 1 / -1; max-width: calc((100% - 1rem) / 3); } th, td { padding: .3rem .5rem; }
  tbody th { min-width: 7rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  figure, tr, .tiles ol { break-inside: avoid; } h2 { break-after: avoid; } .scroll { overflow: visible; }
  table { font-size: 7.5pt; } th, td { padding: .2rem .3rem; }
  .numbers td { white-space: normal; } }
"""
