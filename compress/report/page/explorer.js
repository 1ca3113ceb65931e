// Draws the Pareto plot of report.html. It only draws: every front was computed by compress/report/explorer.py.
function drawExplorer(id, s) {
  "use strict";
  const get = (part) => document.getElementById(id + part);
  const plot = get(""), selects = [get("-x"), get("-y")], others = get("-others"), status = get("-status");
  const BLUE = "#0072B2", RED = "#D55E00", GREEN = "#007A59", GREY = "#767676", PALE = "#9a9a9a", INK = "#222222";
  const shapes = ["circle", "diamond", "triangle-up", "triangle-down", "cross", "pentagon"];
  const ranks = (p) => p.kind !== "screened" && p.kind !== "infeasible";
  const plain = (text) => { const area = document.createElement("textarea"); area.innerHTML = text; return area.value; };
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (name) => { const text = plain(name); return text.length <= 20 ? text : text.slice(0, 18) + "..."; };
  let shown = s.chosen.slice();
  s.points.forEach((p, i) => { p.place = i; });

  // Members of the front of two axes, best in the first one first.
  function frontOf(a, b) {
    const members = (s.fronts[a < b ? a + "," + b : b + "," + a] || []).map((i) => s.points[i]);
    const sign = s.axes[a].smaller ? 1 : -1;
    return members.slice().sort((p, q) => sign * (p.values[a] - q.values[a]));
  }

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
    const lines = [within("b", p.name), wrapped(p.recipe)];
    if (p.note) lines.push(within("i", wrapped(p.note)));
    for (const a of axes) lines.push(s.axes[a].label + ": " + p.texts[a]);
    return lines.join("<br>");
  }

  function bars(points, a, colour) {
    const side = (end) => points.map((p) => (p.bars[a] ? Math.abs(p.bars[a][end] - p.values[a]) : 0));
    const above = side(1), below = side(0);
    return { type: "data", symmetric: false, array: above, arrayminus: below, color: colour, thickness: 1.2, width: 4,
             visible: above.concat(below).some((size) => size > 0) };
  }

  // Names stand beside their points where neither a point, a bar nor another name is; the others are told on hovering.
  function places(points, all, a, b, ranges) {
    // How much room the axes really have: the legend and the labels of the axes take theirs first.
    const wide = plot._fullLayout.xaxis._length, high = plot._fullLayout.yaxis._length;
    const across = (value) => ((along(a, value) - ranges[0][0]) / (ranges[0][1] - ranges[0][0])) * wide;
    const up = (value) => ((along(b, value) - ranges[1][0]) / (ranges[1][1] - ranges[1][0])) * high;
    const dotOf = (p) => ({ x: across(p.values[a]), y: up(p.values[b]), r: p.kind === "teacher" ? 10 : 7 });
    const taken = [];
    for (const p of all) {
      const d = dotOf(p);
      taken.push([d.x - d.r, d.y - d.r, d.x + d.r, d.y + d.r]);
      if (p.bars[a]) taken.push([across(p.bars[a][0]) - 2, d.y - 5, across(p.bars[a][1]) + 2, d.y + 5]);
      if (p.bars[b]) taken.push([d.x - 5, up(p.bars[b][0]) - 2, d.x + 5, up(p.bars[b][1]) + 2]);
    }
    const free = (box) => box[0] > -45 && box[2] < wide + 12 && box[1] > -12 && box[3] < high + 14 &&
      !taken.some((t) => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3]);
    return points.map((p) => {
      const d = dotOf(p), w = 6.7 * short(p.name).length, h = 14, r = d.r;
      const right = d.x + r, left = d.x - r - w, middle = d.x - w / 2;
      // A name's letters hang three pixels below the line that plotly sets them on.
      const above = d.y + r - 3, below = d.y - r - h, level = d.y - h / 2 - 1;
      const tries = { "top right": [right, above], "bottom left": [left, below], "top center": [middle, above],
                      "bottom center": [middle, below], "middle right": [right, level], "middle left": [left, level],
                      "bottom right": [right, below], "top left": [left, above] };
      for (const side in tries) {
        const [x, y] = tries[side], box = [x, y, x + w, y + h];
        if (free(box)) { taken.push(box); return { side }; }
      }
      // Farther off, at the end of a thin line.
      for (const far of [30, 50, 75, 105]) for (let turn = 0; turn < 12; turn++) {
        const dx = far * Math.cos(turn * Math.PI / 6), dy = far * Math.sin(turn * Math.PI / 6);
        const x = d.x + dx - w / 2, y = d.y + dy - h / 2, box = [x, y, x + w, y + h];
        if (x > 0 && x + w < wide && free(box)) { taken.push(box); return { dx, dy }; }
      }
      return null;
    });
  }

  // Where a value lies along its axis, in plotly's units: a logarithmic axis has decades.
  const along = (axis, value) => (s.axes[axis].log ? Math.log10(value) : value);

  // Those that rank fill the plot; the others widen it by half at most, and what lies beyond is counted in words.
  function range(points, axis, before, after) {
    const ends = (some) => some.flatMap((p) => [p.values[axis], ...(p.bars[axis] || [])])
      .filter((value) => !s.axes[axis].log || value > 0).map((value) => along(axis, value));
    const known = ends(points.filter(ranks)), all = ends(points);
    const low = Math.min(...known), high = Math.max(...known), room = (high - low || Math.abs(high) || 1) / 2;
    const from = Math.max(Math.min(...all), low - room), to = Math.min(Math.max(...all), high + room);
    // Where all values are equal the axis still gets a length.
    const width = to - from || Math.abs(to) || 1;
    return to > from ? [from - before * width, to + after * width] : [from - width / 2, to + width / 2];
  }

  function groupsOf(there, members) {
    const isObjectives = s.objectives.length === 2 && shown.every((axis) => s.objectives.includes(s.axes[axis].name));
    const kind = (name) => there.filter((p) => p.kind === name), candidates = kind("candidate");
    const elsewhere = (p) => !members.has(p) && !isObjectives && p.front;
    return [
      ["not fully trained", PALE, kind("screened"), "circle-open"],
      ["rejected", PALE, kind("infeasible"), "x-thin-open"],
      // The teacher lies below, so that a candidate equal to it is seen upon its star.
      ["teacher", RED, kind("teacher"), "star"],
      ["dominated", GREY, candidates.filter((p) => !members.has(p) && !elsewhere(p)), null],
      ["on the front of all", BLUE, candidates.filter(elsewhere), "open"],
      ["on the front", BLUE, candidates.filter((p) => members.has(p)), null],
      ["stage table", GREEN, kind("start"), "square"],
    ];
  }

  const symbol = (p, shape) => (shape === "open" ? shapes[p.run % 6] + "-open" : shape || shapes[p.run % 6]);

  function lines(front, a, b, there) {
    const made = [];
    const line = (points, style) => ({ type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false, ...style,
      x: points.map((p) => p[0]), y: points.map((p) => p[1]) });
    const corners = front.flatMap((p, i) => (i ? [[p.values[a], front[i - 1].values[b]]] : []).concat([[p.values[a], p.values[b]]]));
    if (front.length > 1) made.push(line(corners, { opacity: 0.5, line: { color: BLUE, width: 1.5 } }));
    const starts = there.filter((p) => p.kind === "start");
    const table = starts.concat(there.filter((p) => p.kind === "teacher")).sort((p, q) => p.values[a] - q.values[a]);
    if (starts.length) made.push(line(table.map((p) => [p.values[a], p.values[b]]), { opacity: 0.8, line: { color: GREEN, width: 1.2, dash: "dot" } }));
    return made;
  }

  function draw() {
    const [a, b] = shown, front = frontOf(a, b), members = new Set(front);
    const there = s.points.filter((p) => p.values[a] !== null && p.values[b] !== null && (!others || others.checked || ranks(p)));
    const ranges = [range(there, a, 0.07, plot.clientWidth < 500 ? 0.3 : 0.14), range(there, b, 0.08, 0.1)];
    const first = there.filter((p) => p.kind === "teacher" || members.has(p));
    const named = first.concat(there.filter((p) => !members.has(p) && (p.kind === "start" || (p.kind === "candidate" && there.length <= 14))));
    const drawNames = (placeOf) => Plotly.react(plot, tracesOf(a, b, there, front, placeOf),
      { ...layoutOf(a, b, ranges), annotations: distant(placeOf, a, b) }, { responsive: true, displayModeBar: false });
    drawNames(new Map());
    const found = places(named, there, a, b, ranges);
    drawNames(new Map(named.map((p, i) => [p, found[i]])));
    tell(a, b, front, there, ranges);
  }

  function distant(placeOf, a, b) {
    const far = [...placeOf].filter(([, place]) => place && !place.side);
    return far.map(([p, { dx, dy }]) => ({ x: along(a, p.values[a]), y: along(b, p.values[b]), ax: dx, ay: -dy, text: safe(short(p.name)),
      font: { color: INK, size: 12 }, showarrow: true, arrowhead: 0, arrowwidth: 0.8, arrowcolor: GREY, standoff: 6, borderpad: 0 }));
  }

  function tracesOf(a, b, there, front, placeOf) {
    const sideOf = (p) => (placeOf.get(p) || {}).side;
    const traces = lines(front.filter((p) => there.includes(p)), a, b, there);
    for (const [name, colour, points, shape] of groupsOf(there, new Set(front))) {
      if (!points.length) continue;
      traces.push({
        type: "scatter", mode: "markers+text", name: safe(name), hoverinfo: "text", cliponaxis: false,
        x: points.map((p) => p.values[a]), y: points.map((p) => p.values[b]),
        error_x: bars(points, a, colour), error_y: bars(points, b, colour),
        text: points.map((p) => (sideOf(p) ? safe(short(p.name)) : "")),
        textposition: points.map((p) => sideOf(p) || "top right"), textfont: { color: INK, size: 12 },
        hovertext: points.map((p) => hover(p, [a, b])),
        marker: { color: colour, size: name === "teacher" ? 17 : colour === PALE ? 7 : 10,
                  line: { width: shape && shape.endsWith("open") ? 1.5 : 0, color: colour },
                  symbol: points.map((p) => symbol(p, shape)) },
      });
    }
    return traces;
  }

  const ticksOf = (axis) => ({ tickformat: s.axes[axis].ticks, ...(s.axes[axis].log ? { type: "log", dtick: "D2" } : {}) });

  function layoutOf(a, b, ranges) {
    const line = { gridcolor: "#dddddd", zeroline: false, linecolor: "#6b6b6b", showline: true, automargin: true };
    return {
      xaxis: { ...line, title: { text: s.axes[a].title }, range: ranges[0], ...ticksOf(a) },
      yaxis: { ...line, title: { text: s.axes[b].title }, range: ranges[1], ...ticksOf(b) },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } }, margin: { l: 10, r: 10, t: 30, b: 10 }, height: 440,
      paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", font: { color: INK, family: "system-ui, sans-serif", size: 12 },
      hovermode: "closest", hoverlabel: { align: "left", bgcolor: "#ffffff", bordercolor: "#555555", font: { color: INK, size: 12 } },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    };
  }

  function tell(a, b, front, there, ranges) {
    const outside = there.filter((p) => [a, b].some((axis, i) => !(along(axis, p.values[axis]) >= ranges[i][0] && along(axis, p.values[axis]) <= ranges[i][1]))).length;
    const names = front.map((p) => plain(p.name)), missing = s.points.filter(ranks).length - there.filter(ranks).length;
    const list = names.length > 8 ? names.slice(0, 8).join(", ") + " and " + (names.length - 8) + " more" : names.join(", ");
    status.textContent = "Front of " + s.axes[a].label + " and " + s.axes[b].label + ": " + (list || "empty") + "." +
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
