// The time line: who had which processor when. A bar is a job; jobs too short to be seen are a shade with their number.
"use strict";
(() => {
  const GUTTER = 40; // pixels for the names of the lanes
  const AXIS = 22;
  const ZOOM = 2;
  const SHORTEST_S = 60;
  const STEPS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const WORDS = { RUNNING: "running", COMPLETING: "ending", SUSPENDED: "suspended", COMPLETED: "done", FAILED: "failed", CANCELLED: "cancelled", TIMEOUT: "time over", OUT_OF_MEMORY: "out of memory", NODE_FAIL: "lost" };
  const BAD = new Set(["FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL"]);

  window.jobdTimeline = (place) => {
    const { asker, fetched, moment, span, tick, SVG } = window.jobdCharts;
    const drawing = place.querySelector("svg");
    const readout = place.querySelector("[data-part=readout]");
    const view = { length: Number(place.dataset.end) - Number(place.dataset.begin), end: Number(place.dataset.end), isLive: place.dataset.live === "1" };
    let found = null;
    let focused = 0;

    const make = (name, attributes, text) => {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      return element;
    };
    const width = () => Math.max(200, drawing.clientWidth);
    const x = (at) => GUTTER + ((at - found.begin) / (found.end - found.begin)) * (width() - GUTTER);
    const timeAt = (pixel) => found.begin + ((pixel - GUTTER) / (width() - GUTTER)) * (found.end - found.begin);
    const laneHeight = () => Math.max(8, Math.min(26, 460 / Math.max(1, found.lanes.length)));

    function wordsOf(bar) {
      const [lane, height, begin, end, id, name, state] = bar;
      const where = found.lanes[lane] === "any" ? "" : height > 1 ? `, processors ${found.lanes[lane]}–${found.lanes[lane + height - 1]}` : `, processor ${found.lanes[lane]}`;
      return `job ${Math.abs(id)} ${name}: ${moment(begin)} to ${moment(end)} (${span(end - begin)})${where}, ${WORDS[state] || state.toLowerCase()}`;
    }
    const wordsOfBlur = (blur) => `${blur[3]} short ${blur[3] === 1 ? "job" : "jobs"} at ${moment(blur[1])}, ${Math.round(blur[4] * 100)} % of the time`;

    function draw() {
      const high = laneHeight();
      const total = found.lanes.length * high + AXIS;
      drawing.setAttribute("viewBox", `0 0 ${width()} ${total}`);
      drawing.setAttribute("height", total);
      const parts = [];
      found.lanes.forEach((name, lane) => {
        parts.push(make("rect", { class: "lane", x: GUTTER, y: lane * high, width: width() - GUTTER, height: Math.max(1, high - 1) }));
        if (high >= 11 || lane % 4 === 0) parts.push(make("text", { class: "lane-name", x: GUTTER - 6, y: lane * high + high / 2 + 4 }, name));
      });
      const length = found.end - found.begin;
      const step = STEPS.find((one) => (length / one) * 64 <= width() - GUTTER) || 86400;
      const offset = new Date(found.end * 1000).getTimezoneOffset() * 60;
      for (let at = Math.ceil((found.begin - offset) / step) * step + offset; at <= found.end; at += step) {
        parts.push(make("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: total - AXIS }));
        parts.push(make("text", { class: "tick", x: Math.min(x(at), width() - 18), y: total - 6 }, tick(step)(at)));
      }
      found.blurs.forEach((blur, index) => {
        const [lane, begin, end, , share] = blur;
        parts.push(make("rect", { class: "blur", "data-blur": index, x: x(begin), y: lane * high, width: Math.max(1, x(end) - x(begin)), height: Math.max(1, high - 1), "fill-opacity": 0.15 + 0.75 * share }));
      });
      found.bars.forEach((bar, index) => {
        const [lane, height, begin, end, id, name, state] = bar;
        const wide = Math.max(2, x(end) - x(begin));
        const shape = make("rect", { class: `bar hue-${Math.abs(id) % 8}${BAD.has(state) ? " bad" : ""}`, x: x(begin), y: lane * high, width: wide, height: height * high - 1, rx: 2 });
        const link = make("a", { "data-bar": index, tabindex: index === focused ? 0 : -1, "aria-label": wordsOf(bar) });
        if (id > 0) link.setAttribute("href", `${place.dataset.jobUrl}${id}`);
        link.append(shape);
        if (wide > 50 && height * high >= 13) {
          const most = Math.floor((wide - 8) / 7);
          link.append(make("text", { class: "bar-name", x: x(begin) + 4, y: lane * high + (height * high) / 2 + 4 }, name.length > most ? `${name.slice(0, Math.max(1, most - 1))}…` : name));
        }
        parts.push(link);
      });
      if (found.now > found.begin && found.now < found.end) parts.push(make("line", { class: "now", x1: x(found.now), x2: x(found.now), y1: 0, y2: total - AXIS }));
      const active = drawing.contains(document.activeElement);
      drawing.replaceChildren(...parts);
      if (active) focusOn(focused);
      place.dataset.bars = String(found.bars.length);
      place.dataset.blurs = String(found.blurs.length);
      place.dataset.short = String(found.blurs.reduce((sum, blur) => sum + blur[3], 0));
    }

    function focusOn(index) {
      const links = drawing.querySelectorAll("a[data-bar]");
      if (!links.length) return;
      focused = Math.max(0, Math.min(links.length - 1, index));
      links.forEach((link) => link.setAttribute("tabindex", Number(link.dataset.bar) === focused ? 0 : -1));
      links[focused].focus({ preventScroll: false });
    }

    // The next job on the same lane, or the one of that time on a neighbouring lane.
    function neighbour(key) {
      const from = found.bars[focused];
      const centre = (bar) => (bar[2] + bar[3]) / 2;
      const isAcross = key === "ArrowUp" || key === "ArrowDown";
      const isLater = key === "ArrowRight" || key === "ArrowDown";
      let best = focused;
      let least = Infinity;
      found.bars.forEach((bar, index) => {
        const along = isAcross ? bar[0] - from[0] : centre(bar) - centre(from);
        if (index === focused || (isLater ? along <= 0 : along >= 0) || (!isAcross && bar[0] !== from[0])) return;
        const far = isAcross ? Math.abs(along) * 1e9 + Math.abs(centre(bar) - centre(from)) : Math.abs(along);
        if (far < least) [best, least] = [index, far];
      });
      return best;
    }

    const ask = asker(async () => {
      if (view.isLive) view.end = Math.ceil(Date.now() / 1000);
      const begin = Math.floor((view.end - view.length) * 10) / 10;
      const answer = await fetched(`${place.dataset.url}?from=${begin}&to=${view.end.toFixed(1)}`);
      found = answer;
      view.length = answer.end - answer.begin;
      draw();
    });

    function look(length, end) {
      const now = Date.now() / 1000;
      view.length = Math.max(SHORTEST_S, Math.min(7.9 * 86400, length));
      view.isLive = end >= now - 1;
      view.end = view.isLive ? now : end;
      focused = 0;
      history.replaceState(null, "", view.isLive ? location.pathname : `?from=${(view.end - view.length).toFixed(0)}&to=${view.end.toFixed(0)}`);
      ask();
    }
    const zoom = (factor, centre) => {
      const middle = centre === undefined ? view.end - view.length / 2 : centre;
      const length = view.length * factor;
      look(length, view.isLive && centre === undefined ? Date.now() / 1000 : middle + length / 2);
    };
    const acts = {
      in: () => zoom(1 / ZOOM),
      out: () => zoom(ZOOM),
      earlier: () => look(view.length, view.end - view.length / 2),
      later: () => look(view.length, view.end + view.length / 2),
    };
    for (const button of place.querySelectorAll("button[data-act]")) button.addEventListener("click", acts[button.dataset.act]);

    drawing.addEventListener("keydown", (event) => {
      if (!found || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1 / ZOOM : ZOOM);
      else if (event.key.startsWith("Arrow") && found.bars.length) focusOn(neighbour(event.key));
      else if (event.key === "Home") focusOn(0);
      else if (event.key === "End") focusOn(found.bars.length - 1);
      else return;
      event.preventDefault();
    });
    const tell = (target) => {
      const bar = target.closest?.("a[data-bar]");
      const blur = target.closest?.("[data-blur]");
      if (bar) readout.textContent = wordsOf(found.bars[Number(bar.dataset.bar)]);
      else if (blur) readout.textContent = wordsOfBlur(found.blurs[Number(blur.dataset.blur)]);
    };
    drawing.addEventListener("pointerover", (event) => tell(event.target));
    drawing.addEventListener("focusin", (event) => {
      const link = event.target.closest("a[data-bar]");
      if (link) focused = Number(link.dataset.bar);
      tell(event.target);
    });

    // A stretch that is drawn with a mouse is looked at closer.
    let from = null;
    let mark = null;
    const pixel = (event) => Math.max(GUTTER, event.clientX - drawing.getBoundingClientRect().left);
    drawing.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType === "mouse" && found) from = pixel(event);
    });
    drawing.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(pixel(event) - from) < 6) return;
      if (!mark) {
        mark = make("rect", { class: "mark", y: 0, height: "100%" });
        drawing.append(mark);
      }
      mark.setAttribute("x", Math.min(from, pixel(event)));
      mark.setAttribute("width", Math.abs(pixel(event) - from));
    });
    addEventListener("pointerup", (event) => {
      if (from !== null && mark) {
        const [begin, end] = [timeAt(from), timeAt(pixel(event))].sort((one, other) => one - other);
        mark.remove();
        drawing.addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
        look(end - begin, end);
      }
      from = mark = null;
    });
    drawing.addEventListener("dragstart", (event) => event.preventDefault());
    let drawnWidth = 0;
    new ResizeObserver(() => {
      if (found && width() !== drawnWidth) {
        drawnWidth = width();
        draw();
      }
    }).observe(drawing);
    return () => {
      if (view.isLive || !found) ask();
    };
  };
})();
