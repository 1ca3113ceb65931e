// Draws the explorer of report.html. It only draws: every front was computed by compress/report/explorer.py.
function drawExplorer(id, s) {
  "use strict";
  const get = (part) => document.getElementById(id + part);
  const plot = get(""), selects = [get("-x"), get("-y")], others = get("-others"), status = get("-status");
  const BLUE = "#0072B2", RED = "#D55E00", GREEN = "#007A59", GREY = "#767676", PALE = "#9a9a9a", INK = "#222222";
  const shapes = ["circle", "diamond", "triangle-up", "triangle-down", "cross", "pentagon"];
  let shown = s.chosen.slice();
  const frontOf = (a, b) => (a < b ? s.fronts[a + "," + b] : s.fronts[b + "," + a].slice().reverse());

  function wrapped(text) {
    const lines = [""];
    for (const word of text.split(" ")) {
      if (lines[lines.length - 1].length + word.length > 46) lines.push("");
      lines[lines.length - 1] += (lines[lines.length - 1] ? " " : "") + word;
    }
    return lines.join("<br>");
  }

  function hover(p, axes) {
    // Spelt so that no tag but the page's own stands in the page.
    const within = (tag, text) => `\x3c${tag}>${text}\x3c/${tag}>`;
    const lines = [within("b", p.n), wrapped(p.w)];
    if (p.o) lines.push(within("i", wrapped(p.o)));
    for (const a of axes) lines.push(s.axes[a].label + ": " + p.t[a]);
    return lines.join("<br>");
  }

  function bars(points, a, colour) {
    const side = (end) => points.map((p) => (p.b[a] ? Math.abs(p.b[a][end] - p.v[a]) : 0));
    const above = side(1), below = side(0);
    return { type: "data", symmetric: false, array: above, arrayminus: below, color: colour, thickness: 1.2, width: 4,
             visible: above.concat(below).some((size) => size > 0) };
  }

  // Names stand beside their points where nothing else stands; the others are told on hovering and in the tables.
  function places(points, others, a, b, ranges) {
    const wide = Math.max(200, plot.clientWidth - 90), high = 340;
    const at = (p, axis, range, size) => ((p.v[axis] - range[0]) / (range[1] - range[0])) * size;
    const dotOf = (p) => ({ x: at(p, a, ranges[0], wide), y: at(p, b, ranges[1], high), r: p.k === "teacher" ? 10 : 7 });
    const dots = points.map(dotOf);
    const taken = dots.concat(others.map(dotOf)).map((d) => [d.x - d.r, d.y - d.r, d.x + d.r, d.y + d.r]);
    const free = (box) => box[0] > -45 && box[2] < wide + 12 && box[1] > -12 && box[3] < high + 14 &&
      !taken.some((t) => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3]);
    return points.map((p, i) => {
      const d = dots[i], w = 6.7 * short(p.n).length, h = 14, r = d.r;
      const right = d.x + r, left = d.x - r - w, middle = d.x - w / 2;
      const up = d.y + r, down = d.y - r - h, level = d.y - h / 2;
      const tries = { "top right": [right, up], "bottom left": [left, down], "top center": [middle, up], "bottom center": [middle, down],
                      "middle right": [right, level], "middle left": [left, level], "bottom right": [right, down], "top left": [left, up] };
      for (const side in tries) {
        const [x, y] = tries[side], box = [x, y, x + w, y + h];
        if (free(box)) { taken.push(box); return side; }
      }
      return null;
    });
  }

  const plain = (name) => name.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#x27;/g, "'").replace(/&amp;/g, "&");
  const short = (name) => { const text = plain(name); return text.length <= 20 ? text : text.slice(0, 18) + "..."; };
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // Those that rank fill the plot; the others widen it by half at most, and what lies beyond is counted in words.
  function range(points, axis, before, after) {
    const ends = (some) => some.flatMap((p) => [p.v[axis], ...(p.b[axis] || [])]);
    const known = ends(points.filter(ranks)), all = ends(points);
    const low = Math.min(...known), high = Math.max(...known), room = (high - low || Math.abs(high) || 1) / 2;
    const from = Math.max(Math.min(...all), low - room), to = Math.min(Math.max(...all), high + room);
    const width = to - from || Math.abs(to) || 1;
    return [from - before * width, to + after * width];
  }

  function draw() {
    const [a, b] = shown, members = new Set(frontOf(a, b));
    const there = s.points.filter((p, i) => { p.i = i; return p.v[a] !== null && p.v[b] !== null && (!others || others.checked || ranks(p)); });
    const isObjectives = s.objectives.length === 2 && s.objectives.includes(s.axes[a].name) && s.objectives.includes(s.axes[b].name);
    const onPair = (p) => members.has(p.i);
    const groups = [
      ["not trained to the end", PALE, there.filter((p) => p.k === "screened"), "circle-open"],
      ["breaks a constraint", PALE, there.filter((p) => p.k === "barred"), "x-thin-open"],
      ["dominated", GREY, there.filter((p) => p.k === "candidate" && !onPair(p) && (isObjectives || !p.f)), null],
      ["on the front of all objectives", BLUE, there.filter((p) => p.k === "candidate" && !onPair(p) && !isObjectives && p.f), "circle-open"],
      ["on the front of these two", BLUE, there.filter((p) => p.k === "candidate" && onPair(p)), null],
      ["plain stage table", GREEN, there.filter((p) => p.k === "start"), "square"],
      ["teacher", RED, there.filter((p) => p.k === "teacher"), "star"],
    ];
    const ranges = [range(there, a, 0.07, plot.clientWidth < 500 ? 0.3 : 0.14), range(there, b, 0.08, 0.1)];
    const named = there.filter((p) => p.k === "teacher" || onPair(p)).concat(there.filter((p) => p.k === "start" && !onPair(p)));
    if (there.length <= 14) named.push(...there.filter((p) => !named.includes(p)));
    const sides = places(named, there.filter((p) => ranks(p) && !named.includes(p)), a, b, ranges), sideOf = new Map(named.map((p, i) => [p.i, sides[i]]));
    const traces = [];
    const corners = frontOf(a, b).map((i) => s.points[i]).filter((p) => there.includes(p)).sort((p, q) => (p.v[a] - q.v[a]) * (s.axes[a].smaller ? 1 : -1));
    if (corners.length > 1) {
      const line = { x: [], y: [] };
      corners.forEach((p, i) => {
        if (i) { line.x.push(p.v[a]); line.y.push(corners[i - 1].v[b]); }
        line.x.push(p.v[a]); line.y.push(p.v[b]);
      });
      traces.push({ type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false, opacity: 0.5, line: { color: BLUE, width: 1.5 }, ...line });
    }
    const table = groups[5][2].concat(groups[6][2]).sort((p, q) => p.v[a] - q.v[a]);
    if (groups[5][2].length) traces.push({ type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false, opacity: 0.8,
      line: { color: GREEN, width: 1.2, dash: "dot" }, x: table.map((p) => p.v[a]), y: table.map((p) => p.v[b]) });
    for (const [name, colour, points, shape] of groups) {
      if (!points.length) continue;
      traces.push({
        type: "scatter", mode: "markers+text", name: safe(name), hoverinfo: "text", cliponaxis: false,
        x: points.map((p) => p.v[a]), y: points.map((p) => p.v[b]),
        error_x: bars(points, a, colour), error_y: bars(points, b, colour),
        text: points.map((p) => (sideOf.get(p.i) ? safe(short(p.n)) : "")),
        textposition: points.map((p) => sideOf.get(p.i) || "top right"), textfont: { color: INK, size: 12 },
        hovertext: points.map((p) => hover(p, [a, b])),
        marker: { color: colour, size: name === "teacher" ? 17 : shape === "circle-open" && colour === PALE ? 7 : 10,
                  line: { width: shape && shape.endsWith("open") ? 1.5 : 0, color: colour },
                  symbol: points.map((p) => (shape === "circle-open" && colour === BLUE ? shapes[p.r % 6] + "-open" : shape || shapes[p.r % 6])) },
      });
    }
    const line = { gridcolor: "#dddddd", zeroline: false, linecolor: "#6b6b6b", showline: true, automargin: true };
    const layout = {
      xaxis: { ...line, title: { text: s.axes[a].title }, range: ranges[0], tickformat: s.axes[a].ticks },
      yaxis: { ...line, title: { text: s.axes[b].title }, range: ranges[1], tickformat: s.axes[b].ticks },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, margin: { l: 10, r: 10, t: 30, b: 10 }, height: 480,
      paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", font: { color: INK, family: "system-ui, sans-serif", size: 12 },
      hovermode: "closest", hoverlabel: { align: "left", bgcolor: "#ffffff", bordercolor: "#555555", font: { color: INK, size: 12 } },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    };
    Plotly.react(plot, traces, layout, { responsive: true, displayModeBar: false });
    tell(a, b, there, ranges);
  }

  const ranks = (p) => p.k !== "screened" && p.k !== "barred";

  function tell(a, b, there, ranges) {
    const outside = there.filter((p) => [a, b].some((axis, i) => p.v[axis] < ranges[i][0] || p.v[axis] > ranges[i][1])).length;
    const names = frontOf(a, b).map((i) => plain(s.points[i].n)), missing = s.points.filter(ranks).length - there.filter(ranks).length;
    const list = names.length > 8 ? names.slice(0, 8).join(", ") + " and " + (names.length - 8) + " more" : names.join(", ");
    status.textContent = "On the front of " + s.axes[a].label + " and " + s.axes[b].label + ": " + (list || "nobody") + "." +
      (missing ? " Without a value on one of the axes: " + missing + "." : "") +
      (outside ? " Outside the picture, and not ranked: " + outside + "." : "");
  }

  selects.forEach((select, which) => select.addEventListener("change", () => {
    const before = shown[which];
    shown[which] = Number(select.value);
    // The same on both axes would show nothing: then the two change places.
    if (shown[1 - which] === shown[which]) { shown[1 - which] = before; selects[1 - which].value = String(before); }
    draw();
  }));
  if (others) others.addEventListener("change", draw);
  selects.forEach((select, which) => { select.value = String(shown[which]); });
  draw();
}
