/** Style of the page that is printed: A4, dark on white, and lines that differ without colours. */
export const style = `
@page { size: A4; margin: 14mm 13mm 15mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 800px; background: #fff; color: #111;
  font: 13px/1.45 -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
:lang(zh-TW) body { font-family: -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang TC", "Microsoft JhengHei", "Noto Sans CJK TC", sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 2px 20px;
  padding-bottom: 6px; border-bottom: 2px solid #111; }
h1 { margin: 0; font-size: 21px; }
h2 { margin: 16px 0 2px; font-size: 15px; break-after: avoid; }
header p { margin: 0; font-size: 16px; font-weight: 600; }
dl { display: flex; flex-wrap: wrap; gap: 6px 44px; margin: 10px 0; }
dt { color: #444; }
dd { margin: 0; font-size: 20px; font-weight: 600; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 2px 8px 2px 0; border-bottom: 1px solid #bbb; text-align: left; vertical-align: top; }
th { border-color: #111; font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
tfoot td { border-color: #111; border-top: 1px solid #111; font-weight: 600; }
tr, figure { break-inside: avoid; }
thead { display: table-header-group; }
p.note { margin: 2px 0 6px; color: #444; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 9px 18px; }
figure { margin: 0; }
figure.whole { grid-column: 1 / -1; }
figcaption { display: flex; justify-content: space-between; gap: 12px; font-weight: 600; white-space: nowrap; }
figcaption span { min-width: 0; overflow: hidden; text-overflow: ellipsis; color: #444; font-weight: 400; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.grid { fill: none; stroke: #ccc; stroke-width: 1; }
.frame { fill: none; stroke: #777; stroke-width: 1; }
.gpu, .vram { fill: none; stroke-linecap: round; stroke-linejoin: round; }
.gpu { stroke: #14387f; stroke-width: 1.8; }
.vram { stroke: #8a4600; stroke-width: 1.5; stroke-dasharray: 5 3.5; }
text { fill: #444; font-size: 10px; }
@media (max-width: 560px) { body { padding: 12px; } .charts { grid-template-columns: minmax(0, 1fr); } }
@media print { body { padding: 0; max-width: none; } .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
`;
