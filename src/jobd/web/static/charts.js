// Charts: use of the machine, processors and memory of a job, the time line. Numbers come from /data/…; the page says when there are new ones.
"use strict";
(() => {
  const AGAIN_MS = 1000; // between two questions of one chart
  const SVG = "http://www.w3.org/2000/svg";
  const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  const POWERS = Array.from({ length: 50 }, (nothing, index) => 2 ** index); // sizes are told in these
  const COUNTS = [0.25, 0.5, ...Array.from({ length: 30 }, (nothing, index) => 2 ** index)]; // and processors in these
  const DAYS = { month: "short", day: "numeric" };
  const reload = []; // of each chart on this page

  // ---- words
  const two = (number) => String(number).padStart(2, "0");
  const clock = (at, withSeconds) => {
    const date = new Date(at * 1000);
    const text = `${two(date.getHours())}:${two(date.getMinutes())}`;
    return withSeconds ? `${text}:${two(date.getSeconds())}` : text;
  };
  const day = (at) => new Date(at * 1000).toLocaleDateString(undefined, DAYS);
  const moment = (at) => {
    const isToday = new Date(at * 1000).toDateString() === new Date().toDateString();
    return isToday ? clock(at, true) : `${day(at)} ${clock(at, true)}`;
  };
  const span = (seconds) => {
    const total = Math.max(0, Math.round(seconds));
    const hours = Math.floor(total / 3600);
    const rest = `${two(Math.floor((total % 3600) / 60))}:${two(total % 60)}`;
    return hours ? `${hours}:${rest}` : rest.replace(/^0/, "");
  };
  const size = (bytes) => {
    let index = 0;
    let value = bytes;
    while (value >= 1024 && index + 1 < UNITS.length) {
      value /= 1024;
      index += 1;
    }
    return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)} ${UNITS[index]}`;
  };
  const procs = (value) => String(Number(value.toFixed(2)));
  const tick = (step) => (at) => (step >= 86400 ? day(at) : clock(at, step < 60));

  const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--chart-${name}`).trim();

  async function fetched(url) {
    const answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }

  // Ask, at most once at a time and once in a while; what is said meanwhile is asked for afterwards.
  function asker(ask) {
    let isAsking = false;
    let isWanted = false;
    let last = 0;
    const run = async () => {
      if (isAsking) {
        isWanted = true;
        return;
      }
      isAsking = true;
      try {
        await new Promise((done) => setTimeout(done, Math.max(0, last + AGAIN_MS - performance.now())));
        last = performance.now();
        await ask();
      } catch (error) {
        // The page itself says when the server is away; the next news ask again.
      } finally {
        isAsking = false;
        if (isWanted) {
          isWanted = false;
          run();
        }
      }
    };
    return run;
  }

  // ---- line charts
  function axes(format) {
    const common = { stroke: () => colour("text"), grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    return [
      { ...common, size: 26, gap: 6, space: 64, values: (u, splits, axis, space, step) => splits.map(tick(step)) },
      { ...common, size: 62, incrs: format === size ? POWERS : COUNTS, values: (u, splits) => splits.map(format) },
    ];
  }

  function lines(place, label, format, series) {
    const readout = document.createElement("output");
    readout.className = "chart-readout";
    const box = document.createElement("div");
    box.className = "chart-box";
    box.tabIndex = 0;
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `${label}. Left and right arrow keys read the values.`);
    place.replaceChildren(box, readout);
    const width = () => Math.max(120, box.clientWidth);
    const height = () => (width() < 500 ? 130 : 170);
    // Nobody points at anything: the newest values.
    const newest = (u) => {
      if ((u.cursor.idx === null || u.cursor.idx === undefined) && u.data[0].length) u.setLegend({ idx: u.data[0].length - 1 }, false);
    };
    const chart = new uPlot(
      {
        width: width(),
        height: height(),
        scales: { x: { time: true }, y: { range: (u, low, high) => [0, (high || 1) * 1.06] } },
        axes: axes(format),
        legend: { show: true, live: true },
        hooks: { setCursor: [newest], setData: [newest] },
        cursor: { y: false, drag: { x: true, y: false } },
        series: [
          { label: "at", value: (u, at) => (at === null ? "" : moment(at)) },
          ...series.map((one) => ({
            label: one.label,
            stroke: () => colour(one.colour),
            fill: one.isFilled ? () => colour(`${one.colour}-fill`) : undefined,
            width: one.isThin ? 1 : 2,
            dash: one.isThin ? [6, 4] : undefined,
            points: { show: false },
            paths: one.isStepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
            value: (u, value) => (value === null || value === undefined ? "" : format(value)),
          })),
        ],
      },
      [[], ...series.map(() => [])],
      box,
    );
    new ResizeObserver(() => {
      if (width() !== chart.width) chart.setSize({ width: width(), height: height() });
    }).observe(box);
    const redraw = () => chart.redraw(false);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    document.body.addEventListener("jobd:theme", redraw);
    let index = -1;
    const read = () => {
      const at = chart.data[0][index];
      chart.setCursor({ left: chart.valToPos(at, "x"), top: 10 });
      const values = series.map((one, number) => [one.label, chart.data[number + 1][index]]);
      readout.textContent = [moment(at), ...values.filter((pair) => pair[1] !== null && pair[1] !== undefined).map((pair) => `${pair[0]} ${format(pair[1])}`)].join(", ");
    };
    box.addEventListener("keydown", (event) => {
      const count = chart.data[0].length;
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (!count || (steps === undefined && event.key !== "Home" && event.key !== "End")) return;
      event.preventDefault();
      if (event.key === "Home") index = 0;
      else if (event.key === "End" || index < 0) index = count - 1;
      else index = Math.min(count - 1, Math.max(0, index + steps));
      read();
    });
    return (data) => {
      // Who has zoomed in stays where he is.
      const before = chart.data[0];
      const isWhole = !before.length || (chart.scales.x.min <= before[0] && chart.scales.x.max >= before[before.length - 1]);
      chart.setData(data, isWhole);
      if (!isWhole) chart.redraw();
      place.dataset.points = String(data[0].length);
    };
  }

  function usage(place) {
    const find = (name) => place.querySelector(`[data-part="${name}"]`);
    const drawProcs = lines(find("procs"), "Processors in use", procs, [
      { label: "in use", colour: "busy", isFilled: true, isStepped: true },
      { label: "really used", colour: "used" },
      { label: "there are", colour: "limit", isThin: true },
    ]);
    const drawMemory = lines(find("memory"), "Memory of jobs", size, [
      { label: "asked for", colour: "busy", isStepped: true },
      { label: "used", colour: "used", isFilled: true },
    ]);
    const drawJobs = lines(find("jobs"), "Jobs that ended", procs, [{ label: "ended", colour: "busy", isFilled: true, isStepped: true }]);
    return asker(async () => {
      const found = await fetched(place.dataset.url);
      drawProcs([found.at, found.busy, found.cpu, found.at.map(() => found.procs)]);
      drawMemory([found.at, found.asked_memory, found.used_memory]);
      drawJobs([found.at, found.jobs]);
      const told = place.querySelector("[data-part=filling]");
      told.hidden = found.filling === null && !found.trouble;
      told.textContent = found.trouble || `reading the history: ${Math.round((found.filling || 0) * 100)} %`;
      const means = found.means;
      place.querySelector("[data-part=means]").textContent =
        `On average ${procs(means.busy)} of ${found.procs ?? "?"} processors in use, ${procs(means.cpu)} really used` +
        (means.share ? ` (${Math.round(means.share * 100)} % of what was asked for)` : "") + `; ${means.jobs} jobs ended`;
    });
  }

  function job(place) {
    const find = (name) => place.querySelector(`[data-part="${name}"]`);
    let draw = null;
    return asker(async () => {
      const found = await fetched(place.dataset.url);
      place.dataset.points = String(found.at.length);
      find("none").hidden = found.at.length > 0;
      if (!found.at.length) return;
      if (!draw) {
        find("procs").hidden = find("memory").hidden = place.querySelector(".chart-table").hidden = false;
        draw = [
          lines(find("procs"), "Processors that the job used", procs, [
            { label: "used", colour: "used", isFilled: true },
            { label: "asked for", colour: "limit", isThin: true },
          ]),
          lines(find("memory"), "Memory that the job used", size, [
            { label: "used", colour: "used", isFilled: true },
            ...(found.asked_memory ? [{ label: "asked for", colour: "limit", isThin: true }] : []),
          ]),
        ];
      }
      draw[0]([found.at, found.cpu, found.at.map(() => found.procs)]);
      draw[1]([found.at, found.memory, ...(found.asked_memory ? [found.at.map(() => found.asked_memory)] : [])]);
      table(place, found);
    });
  }

  // The same numbers for who cannot see the chart: some twenty rows.
  function table(place, found) {
    const body = place.querySelector(".chart-table tbody");
    const step = Math.max(1, Math.ceil(found.at.length / 24));
    const rows = [];
    for (let index = found.at.length - 1; index >= 0; index -= step) {
      const row = document.createElement("tr");
      for (const text of [moment(found.at[index]), procs(found.cpu[index]), size(found.memory[index])]) {
        row.append(Object.assign(document.createElement("td"), { textContent: text }));
      }
      rows.push(row);
    }
    body.replaceChildren(...rows);
  }

  // ---- beginnings
  window.jobdCharts = { asker, clock, colour, fetched, moment, span, tick, SVG };
  function begin() {
    for (const table of document.querySelectorAll("details.chart-table")) table.open = false; // it was for who has no scripts
    const kinds = { usage, job, timeline: window.jobdTimeline };
    for (const place of document.querySelectorAll("[data-chart]")) {
      if (place.dataset.isDrawn || !kinds[place.dataset.chart]) continue;
      place.dataset.isDrawn = "1";
      const ask = kinds[place.dataset.chart](place);
      reload.push(ask);
      ask();
    }
  }
  const again = () => {
    if (!document.hidden) reload.forEach((ask) => ask());
  };
  document.body.addEventListener("jobd:parts", (event) => {
    if (event.detail.includes("usage")) again();
  });
  document.addEventListener("visibilitychange", again);
  document.addEventListener("DOMContentLoaded", begin);
})();
