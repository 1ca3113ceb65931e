"""The style sheet of report.html: no font, picture or script from anywhere else; light, dark, phone and paper."""

STYLE = """
:root { --ink: #1d1f21; --quiet: #555b61; --paper: #ffffff; --card: #f5f6f7; --rule: #d5d8db; --link: #00558c;
  --key: #e3eff7; --teacher: #fbeade; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e3; --quiet: #b0b4b8; --paper: #17191b; --card: #212427;
  --rule: #3b4045; --link: #7cc0ec; --key: #1f3646; --teacher: #40291b; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: clamp(1.5rem, 1.1rem + 2vw, 2.2rem); line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2.8rem 0 .8rem; padding-top: .8rem;
  border-top: 1px solid var(--rule); overflow-wrap: anywhere; }
h3 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p, li { max-width: 44rem; overflow-wrap: anywhere; }
p.lead { font-size: 1.08rem; }
a { color: var(--link); }
nav ul { list-style: none; padding: 0; margin: 1.2rem 0 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
ul.named { padding-left: 1.2rem; }
ul.named li { margin: .35rem 0; }
.scroll { overflow-x: auto; margin: 1rem 0 1.4rem; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: 0 0 .5rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(44rem, calc(100vw - 2rem)); }
th, td { padding: .38rem .75rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 2px solid var(--quiet); vertical-align: bottom; font-weight: 600; }
tbody th { font-weight: 600; }
td { white-space: nowrap; }
th.words, td.words { text-align: left; white-space: normal; overflow-wrap: break-word;
  min-width: 9rem; max-width: 34rem; }
tbody th.words { min-width: 7rem; }
tbody th, thead th:first-child { position: sticky; left: 0; background: var(--paper); }
td.key, th.key { background: var(--key); font-weight: 700; }
tr.teacher > * { background: var(--teacher); }
tr.failed > * { color: var(--quiet); font-style: italic; }
@media screen and (min-width: 64rem) { .wide { width: min(100vw - 3rem, 100rem); position: relative; left: 50%;
  transform: translateX(-50%); } .wide table { margin: 0 auto; font-size: .84rem; }
  .wide th, .wide td { padding: .38rem .36rem; }
  .wide th.words, .wide td.words { min-width: 4.5rem; white-space: nowrap; } }
p.verdict { background: var(--key); border-left: .3rem solid var(--link); border-radius: .3rem; font-size: 1.08rem;
  padding: .8rem 1rem; max-width: 46rem; }
figure { margin: 1.2rem 0; }
.card { background: #ffffff; border: 1px solid var(--rule); border-radius: .4rem; padding: .5rem; overflow: hidden; }
.card img { display: block; width: 100%; height: auto; margin: 0 auto; }
.card.pareto { max-width: 52rem; }
.plot { min-height: 460px; }
.still { display: none; }
.choose { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: end; color: #1d1f21; font-size: .92rem;
  padding: .3rem .3rem .6rem; }
.choose label { display: flex; flex-direction: column; gap: .15rem; flex: 1 1 15rem; min-width: 0; font-weight: 600; }
.choose label.switch { flex: 1 0 100%; flex-direction: row; align-items: center; gap: .5rem; font-weight: 400;
  min-height: 2.2rem; }
.choose select { font: inherit; font-weight: 400; color: #1d1f21; background: #ffffff; border: 1px solid #6b7177;
  border-radius: .3rem; padding: .3rem .4rem; min-height: 2.2rem; width: 100%; }
.choose input { width: 1.15rem; height: 1.15rem; }
.choose :focus-visible { outline: 2px solid #00558c; outline-offset: 2px; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.status { color: #44494e; font-size: .92rem; margin: .2rem .3rem; max-width: none; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 29rem), 1fr)); gap: 0 1.6rem; }
.beside > div { display: flex; gap: .5rem; }
.beside > div > div { flex: 1 1 0; max-width: 22rem; min-width: 0; }
.beside p { margin: 0 0 .25rem; font-weight: 600; font-size: .92rem; }
.beside img { display: block; width: 100%; height: auto; border-radius: .3rem; }
tr.marked > * { font-weight: 700; border-top: 2px solid var(--link); border-bottom: 2px solid var(--link); }
figcaption { color: var(--quiet); font-size: .92rem; margin-top: .5rem; max-width: 44rem; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: .3rem; padding: .8rem 1rem;
  overflow-x: auto; font: .86rem/1.5 ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; }
summary { cursor: pointer; font-weight: 600; }
details { margin: .5rem 0; }
@media (max-width: 640px) { th:first-child.words { max-width: 9.5rem; overflow-wrap: anywhere; }
  th, td { padding: .38rem .55rem; } }
@page { size: A4; margin: 16mm 14mm; }
@page wide { size: A4 landscape; margin: 12mm; }
@media print {
  :root { --ink: #000; --quiet: #444; --paper: #fff; --card: #fff; --rule: #bbb; --key: #eee; --teacher: #f6f6f6; }
  body { font-size: 10pt; } main { max-width: none; padding: 0; } nav { display: none; }
  .scroll { overflow: visible; } table { font-size: 8pt; } th, td { padding: .2rem .35rem; }
  tr, figure { break-inside: avoid; } h2, h3, caption, summary { break-after: avoid; }
  .plot, .choose, .status { display: none; } .still { display: block; }
  section:has(.wide) { page: wide; }
  .card img { width: auto; max-width: 100%; max-height: 225mm; } p.verdict { border: 1px solid #888; }
  .wide table { font-size: 8pt; } .pairs { grid-template-columns: 1fr 1fr; gap: 0 6mm; }
  pre { white-space: pre-wrap; }
  details::details-content { content-visibility: visible; height: auto; }
}
"""
