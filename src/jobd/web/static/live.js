// Keeps a page as things are: the server sends parts of it as they change, and they are put in the place of the old ones node by node, so that
// focus, selection, scrolling and what is folded open stay. Without this script the page loads itself again now and then.
"use strict";
(() => {
  const body = document.body;
  let ahead = 0; // seconds by which the server's clock is ahead of ours
  let source = null;
  let again = 0;

  // ---- putting parts in place
  const keyOf = (node) => (node.nodeType === 1 ? node.id : "");

  function morph(old, fresh) {
    if (old.nodeType === 3) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeType !== 1) return;
    for (const { name } of [...old.attributes]) {
      const isOurs = name === "open" || name === "data-kept";
      if (!fresh.hasAttribute(name) && !isOurs) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    children(old, fresh);
  }

  function children(old, fresh) {
    const kept = new Map();
    for (const child of old.children) if (child.id) kept.set(child.id, child);
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const key = keyOf(next);
      if (key && kept.has(key)) {
        const found = kept.get(key);
        if (found === at) at = at.nextSibling;
        else if (at && at.nextSibling === found) { // what stood before it has gone
          const gone = at;
          at = found.nextSibling;
          if (!fresh.ownerDocument.getElementById(keyOf(gone)) || !keyOf(gone)) gone.remove();
        } else old.insertBefore(found, at);
        morph(found, next);
      } else if (at && !key && !keyOf(at) && at.nodeType === next.nodeType && at.nodeName === next.nodeName) {
        const here = at;
        at = at.nextSibling;
        morph(here, next);
      } else {
        const made = document.importNode(next, true);
        if (key && made.nodeName === "TR") made.classList.add("new");
        old.insertBefore(made, at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  function put(id, html) {
    const old = document.getElementById(id);
    if (!old) return;
    const page = new DOMParser().parseFromString(`<div>${html}</div>`, "text/html");
    const focused = document.activeElement;
    const top = window.scrollY;
    const anchor = anchorOf();
    const isWithin = focused && old.contains(focused);
    const place = isWithin ? rows().indexOf(focused.closest("tr")) : -1;
    children(old, page.body.firstElementChild);
    if (focused && focused !== document.activeElement && document.contains(focused)) focused.focus({ preventScroll: true });
    if (isWithin && !document.contains(focused) && place >= 0) {
      // The job has ended, or has left the list: to where it is now, else to what has come in its place.
      const found = anchor.row && document.getElementById(anchor.row.id);
      const all = rows();
      focusRow(found || all[Math.min(place, all.length - 1)], true);
    }
    if (anchor.row && document.contains(anchor.row)) window.scrollBy(0, anchor.row.getBoundingClientRect().top - anchor.y);
    else if (window.scrollY !== top) window.scrollTo(0, top);
  }

  // What the eye is on: the row with the focus, else the first that is seen. It stays where it is on the screen.
  function anchorOf() {
    const active = document.activeElement && document.activeElement.closest("tr");
    const row = active || (window.scrollY > 0 && rows().find((one) => one.getBoundingClientRect().top >= 0)) || null;
    return { row, y: row ? row.getBoundingClientRect().top : 0 };
  }

  // ---- times
  const two = (number) => String(number).padStart(2, "0");
  function span(seconds) {
    const total = Math.max(0, Math.floor(seconds));
    const days = Math.floor(total / 86400), hours = Math.floor(total / 3600) % 24, minutes = Math.floor(total / 60) % 60;
    if (days) return `${days}-${two(hours)}:${two(minutes)}:${two(total % 60)}`;
    return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
  }
  function about(seconds) {
    const total = Math.max(0, Math.round(seconds));
    if (total < 100) return `${total} s`;
    const minutes = Math.round(total / 60);
    if (minutes < 100) return `${minutes} min`;
    const hours = minutes / 60;
    if (hours < 10) return `${Math.floor(hours)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
    return hours < 36 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`;
  }
  function tick() {
    const now = Date.now() / 1000 + ahead;
    for (const one of document.querySelectorAll("time[data-since]")) text(one, span(now - one.dataset.since));
    for (const one of document.querySelectorAll("time[data-until]")) text(one, `in ${about(one.dataset.until - now)}`);
  }
  function text(node, words) {
    if (node.textContent !== words) node.textContent = words;
  }

  // ---- output: text nodes only, and only the end of it
  const KEPT = 400000;
  class Output {
    constructor(box) {
      this.box = box;
      this.pre = box.querySelector("pre");
      this.start();
    }
    start() {
      this.lines = document.createTextNode("");
      this.last = document.createTextNode("");
      this.line = "";
      this.pre.replaceChildren(this.lines, this.last);
    }
    // A line as a terminal would leave it.
    static left(line) {
      const end = line.replace(/\r+$/, "");
      return end.slice(end.lastIndexOf("\r") + 1);
    }
    feed(chunk) {
      const isAtEnd = this.pre.scrollTop + this.pre.clientHeight >= this.pre.scrollHeight - 8;
      if (chunk.is_new) this.start();
      const parts = (this.line + chunk.text).split("\n");
      this.line = parts.pop().slice(-65536);
      if (parts.length) this.lines.appendData(parts.map(Output.left).join("\n") + "\n");
      this.last.data = Output.left(this.line);
      if (this.lines.length > KEPT) {
        const cut = this.lines.data.indexOf("\n", this.lines.length - KEPT / 2);
        this.lines.deleteData(0, cut + 1);
        chunk.is_cut = true;
      }
      text(this.box.querySelector("[data-size]"), size(chunk.size));
      if (chunk.is_cut) this.box.querySelector("[data-cut]").hidden = false;
      const trouble = this.box.querySelector("[data-trouble]");
      trouble.hidden = !chunk.trouble;
      text(trouble, chunk.trouble);
      if (isAtEnd) this.pre.scrollTop = this.pre.scrollHeight;
    }
  }
  const outputs = new Map();
  function output(chunk) {
    const place = document.getElementById("outputs");
    if (!place) return;
    if (!outputs.has(chunk.name)) {
      let box = [...place.children].find((one) => one.dataset.output === chunk.name);
      if (!box) {
        const empty = place.querySelector("[data-no-output]");
        if (empty) empty.remove();
        box = document.getElementById("output-template").content.firstElementChild.cloneNode(true);
        box.dataset.output = chunk.name;
        text(box.querySelector("b"), chunk.name);
        place.append(box);
      }
      const made = new Output(box);
      made.pre.scrollTop = made.pre.scrollHeight;
      outputs.set(chunk.name, made);
    }
    outputs.get(chunk.name).feed(chunk);
  }
  function size(bytes) {
    const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let index = 0;
    while (bytes >= 1024 && index < units.length - 1) {
      bytes /= 1024;
      index += 1;
    }
    if (bytes === 1 && index === 0) return "1 byte";
    return bytes === 0 ? "0" : `${bytes < 100 ? Number(bytes.toPrecision(3)) : Math.round(bytes)} ${units[index]}`;
  }

  // ---- the stream; a page that nobody sees has none
  const LOST = document.getElementById("link") ? document.getElementById("link").textContent : "";
  function listen() {
    clearTimeout(again);
    if (source || document.hidden) return;
    source = new EventSource(body.dataset.live);
    source.addEventListener("hello", (event) => {
      const hello = JSON.parse(event.data);
      if (hello.version !== body.dataset.version) location.reload();
      ahead = hello.now - Date.now() / 1000;
      lost(false);
    });
    source.addEventListener("parts", (event) => {
      const parts = JSON.parse(event.data);
      for (const id of Object.keys(parts)) put(id, parts[id]);
      tick();
      body.dispatchEvent(new CustomEvent("jobd:parts", { detail: Object.keys(parts) }));
    });
    source.addEventListener("output", (event) => output(JSON.parse(event.data)));
    source.onerror = () => {
      text(document.getElementById("link"), LOST);
      lost(true);
      // A browser comes again by itself, but not after an answer that was no stream: too many viewers, or a session that is over.
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        fetch(body.dataset.live, { method: "HEAD", cache: "no-store" }).then((answer) => {
          if (answer.status === 401 || answer.status === 403) location.reload();
          if (answer.status === 503) text(document.getElementById("link"), "Too many pages look already: this one is not kept up to date. Trying again …");
        }, () => {});
        clearTimeout(again);
        again = setTimeout(listen, 5000);
      }
    };
  }
  function leave() {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  }
  let told = 0;
  function lost(isLost) {
    clearTimeout(told);
    document.documentElement.dataset.isLive = isLost ? "0" : "1";
    // Not for the moment of a restart.
    if (isLost) told = setTimeout(() => { document.getElementById("link").hidden = false; }, 1500);
    else document.getElementById("link").hidden = true;
  }

  // ---- keys
  const rows = () => [...document.querySelectorAll("table.jobs tbody tr")].filter((row) => row.querySelector("a.job"));
  function focusRow(row, isStill = false) {
    const link = row && row.querySelector("a.job");
    if (!link) return;
    link.focus({ preventScroll: true });
    if (!isStill) row.scrollIntoView({ block: "nearest" });
  }
  function step(by) {
    const all = rows();
    const here = document.activeElement ? all.indexOf(document.activeElement.closest("tr")) : -1;
    focusRow(all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by))]);
  }
  let isGoing = false;
  const places = { o: "/", t: "/timeline", u: "/usage", h: "/history" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const keys = document.getElementById("keys");
    if (keys && keys.open) return;
    if (isGoing && places[event.key]) location.href = places[event.key];
    isGoing = event.key === "g";
    if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else if (event.key === "/") document.getElementById("search").focus();
    else if (event.key === "?" && keys) keys.showModal();
    else return;
    event.preventDefault();
  });

  // ---- light and dark
  const theme = document.getElementById("theme");
  const root = document.documentElement;
  function named() {
    text(theme, { light: "Light", dark: "Dark" }[root.dataset.theme] || "Auto");
  }
  if (theme) {
    theme.hidden = false;
    named();
    theme.addEventListener("click", () => {
      const next = { light: "dark", dark: "", "": "light" }[root.dataset.theme || ""];
      if (next) root.dataset.theme = next;
      else delete root.dataset.theme;
      try {
        localStorage.setItem("theme", next);
      } catch { /* kept for this page only */ }
      named();
      body.dispatchEvent(new CustomEvent("jobd:theme"));
    });
  }
  const help = document.getElementById("help");
  if (help) {
    help.hidden = false;
    help.addEventListener("click", () => document.getElementById("keys").showModal());
  }

  // ---- a form that is sent is not sent twice
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
    setTimeout(() => delete event.target.dataset.sent, 3000);
  });

  // ---- from the first to the last
  if (body.dataset.live) {
    for (const pre of document.querySelectorAll(".output pre")) pre.scrollTop = pre.scrollHeight;
    document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", listen);
    setInterval(() => { if (!document.hidden) tick(); }, 1000);
    listen();
  }
})();
