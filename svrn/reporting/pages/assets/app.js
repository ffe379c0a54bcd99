"use strict";
// The pages' views of queries. Data comes in scripts of the report's own folder (a page opened from a disk may not
// fetch); every text is put in as text, never as markup.

window.svrn = (() => {
  const up = document.body.dataset.up;
  const kept = new Map();
  const waiting = new Map();
  const PAGE = 20;

  const put = (name, content) => { kept.set(name, content); };

  const load = (name) => {
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `${up}data/${name}.js`;
        script.onload = () => resolve(kept.get(name));
        script.onerror = () => reject(new Error(`data/${name}.js is missing`));
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  };

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  const shape = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  const percent = (tenths) => (tenths < 0 ? "no match" : (tenths / 10).toFixed(1));
  const MARKS = { m: ["✓", "right"], x: ["✗", "wrong"], j: ["○", "junk"] };

  // --- pictures --------------------------------------------------------------------------------------------------

  const known = (images, number) => ["vehicle", "camera", "colour", "type", "viewpoint"]
    .filter((name) => images[name][number] !== null)
    .map((name) => (name === "vehicle" || name === "camera" ? `${name} ${images[name][number]}` : images[name][number]));

  const picture = (context, number, scale = 1) => {
    const size = context.images.size[number];
    const name = context.images.name[number];
    if (!size) return make("span", { class: "nopicture", title: name }, name);
    return make("img", {
      loading: "lazy", decoding: "async", width: Math.round(size[0] * scale), height: Math.round(size[1] * scale),
      src: `${up}pictures/${context.about.benchmark}/${number}.jpg`, alt: name, title: [name, ...known(context.images, number)].join(", "),
    });
  };

  const overlay = (context, number) => {
    const stages = context.salience && context.salience.images[number];
    if (!stages || !stages.length) return null;
    const side = context.salience.grid;
    const svg = shape("svg", { class: "overlay", viewBox: `0 0 ${side} ${side}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    stages[0].scores.forEach((score, cell) => {
      svg.append(shape("rect", { class: "score", x: cell % side, y: Math.floor(cell / side), width: 1, height: 1, "fill-opacity": (score / 18).toFixed(2) }));
    });
    stages.forEach((stage, index) => stage.hidden.forEach((cell) => {
      if (index && stages[index - 1].hidden.includes(cell)) return;
      svg.append(shape("rect", { class: `hidden h${index}`, x: (cell % side) + 0.06, y: Math.floor(cell / side) + 0.06, width: 0.88, height: 0.88 }));
    }));
    return svg;
  };

  // A map over its image: one path for all cells of a digit.
  const laid = (digits, side) => {
    const svg = shape("svg", { class: "laid", viewBox: `0 0 ${side} ${side}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const paths = new Map();
    [...digits].forEach((digit, cell) => {
      if (digit !== "0") paths.set(digit, `${paths.get(digit) || ""}M${cell % side} ${Math.floor(cell / side)}h1v1h-1z`);
    });
    for (const [digit, d] of paths) svg.append(shape("path", { class: "score", d, "fill-opacity": (digit / 12).toFixed(2) }));
    return svg;
  };

  const maps = (context, number) => {
    const drawn = context.maps && context.maps.images[number];
    if (!drawn) return null;
    return make("div", { class: "maps" }, ...context.maps.titles.map((title, place) => make("figure", {},
      make("div", { class: "framed" }, picture(context, number), laid(drawn[place], context.maps.sides[place])),
      make("figcaption", {}, title))));
  };

  const ranked = (context, position) => {
    const list = make("ol", { class: "top", "aria-label": "nearest images" });
    let rank = 0;
    context.queries.tops[position].forEach((number, index) => {
      const flag = context.queries.flags[position][index];
      if (flag !== "j") rank += 1;
      const [sign, word] = MARKS[flag];
      list.append(make("li", { class: `mark ${flag}` }, picture(context, number),
        make("span", { class: "caption" }, `${sign} ${flag === "j" ? "junk" : rank}`, make("span", { class: "hear" }, ` ${word}`))));
    });
    return list;
  };

  const facts = (context, position) => {
    const q = context.queries;
    return `AP ${percent(q.ap[position])}, first match at rank ${q.first[position] || "–"}, `
      + `${q.positives[position]} matches among ${q.kept[position]}, ${q.junk[position]} junk`;
  };

  const asking = (context, position) => {
    const number = context.queries.query[position];
    return make("div", { class: "asking" },
      make("div", { class: "framed" }, picture(context, number, 1.6), overlay(context, number)),
      make("p", { class: "name" }, context.images.name[number]),
      make("p", { class: "known" }, known(context.images, number).join(", ")));
  };

  const article = (context, position) => make("article", { class: "query" }, asking(context, position),
    make("div", { class: "answer" }, make("p", {}, facts(context, position)), ranked(context, position),
      maps(context, context.queries.query[position])));

  // --- data of one scoring ---------------------------------------------------------------------------------------

  const open = async (key) => {
    const index = await load("index");
    const about = index.evaluations.find((e) => e.key === key);
    const overlaid = (kind) => {
      const name = `${kind}-${about.run}-${about.benchmark}`;
      return index.overlays.includes(name) ? load(name) : null;
    };
    const [queries, images, salience, maps] = await Promise.all([
      load(`e-${key}`), load(`b-${about.benchmark}`), overlaid("s"), overlaid("p")]);
    return { about, queries, images, salience, maps };
  };

  const label = (about) => `${about.rows[0]}${about.rows.length > 1 ? ` (and ${about.rows.length - 1} more)` : ""}, seed ${about.seed}, `
    + `${about.benchmark} ${about.test}, protocol ${about.protocol}: mAP ${about.mAP.toFixed(1)}`;

  // --- controls --------------------------------------------------------------------------------------------------

  const state = () => new URLSearchParams(location.hash.slice(1));
  const remember = (name, value) => {
    const now = state();
    if (value) now.set(name, value); else now.delete(name);
    history.replaceState(null, "", `#${now}`);
  };

  const choice = (text, name, options, chosen, changed) => {
    const select = make("select", { name, onchange: () => { remember(name, select.value); changed(); } });
    for (const [value, shown] of options) select.append(make("option", { value }, shown));
    if (options.some(([value]) => value === chosen)) select.value = chosen;
    return { box: make("label", {}, `${text} `, select), get value() { return select.value; }, select };
  };

  const FILTERS = ["camera", "colour", "type", "viewpoint"];

  const filters = (context, changed) => {
    const box = make("fieldset", { class: "filters" }, make("legend", {}, "Queries"));
    const search = make("input", { type: "search", name: "search", autocomplete: "off", oninput: () => { remember("search", search.value); changed(); } });
    search.value = state().get("search") || "";
    box.append(make("label", {}, "name or vehicle ", search));
    const chosen = FILTERS.map((name) => {
      const values = [...new Set(context.queries.query.map((n) => context.images[name][n]).filter((v) => v !== null))];
      if (!values.length) return null;
      values.sort((a, b) => (typeof a === "number" ? a - b : a.localeCompare(b)));
      const made = choice(name, name, [["", "any"], ...values.map((v) => [String(v), String(v)])], state().get(name) || "", changed);
      box.append(made.box);
      return [name, made];
    }).filter(Boolean);
    const fits = (position) => {
      const number = context.queries.query[position];
      const wanted = search.value.trim().toLowerCase();
      if (wanted && !context.images.name[number].toLowerCase().includes(wanted) && String(context.images.vehicle[number]) !== wanted) return false;
      return chosen.every(([name, made]) => !made.value || String(context.images[name][number]) === made.value);
    };
    return { box, fits };
  };

  const listing = (view, positions, draw) => {
    const list = make("div", { class: "list" });
    const more = make("button", { type: "button", onclick: () => extend(true) }, "Show more");
    let shown = 0;
    const extend = (move) => {
      const part = positions.slice(shown, shown + PAGE).map(draw);
      list.append(...part);
      shown += part.length;
      more.hidden = shown >= positions.length;
      if (move && part.length) { part[0].tabIndex = -1; part[0].focus(); }
    };
    extend(false);
    view.replaceChildren(list, more);
  };

  // --- views -----------------------------------------------------------------------------------------------------

  const toggle = (root, contexts) => {
    if (!contexts.some((context) => context.salience)) return null;
    const box = make("input", { type: "checkbox", name: "salience", onchange: () => root.classList.toggle("salient", box.checked) });
    return make("label", { class: "toggle" }, box,
      " Salience on each query: shade is stage 1's score; frames are the cells kept from stage 2 (solid) and stage 3 (dashed)");
  };

  const mapsToggle = (root, context) => {
    if (!context.maps) return null;
    const box = make("input", { type: "checkbox", name: "maps", onchange: () => root.classList.toggle("mapped", box.checked) });
    box.checked = root.classList.contains("mapped");
    return make("label", { class: "toggle" }, box, ` Maps of the method on each query: ${context.maps.titles.join(", ")}`);
  };

  const cellView = async (root) => {
    const keys = root.dataset.keys.split(" ");
    const index = await load("index");
    const seeds = keys.map((key) => [key, `seed ${index.evaluations.find((e) => e.key === key).seed}`]);
    const controls = make("div", { class: "controls" });
    const body = make("div");
    const show = async () => {
      const context = await open(seed.value);
      controls.replaceChildren(...[seed.box, toggle(root, [context]), mapsToggle(root, context),
        make("a", { href: `${up}queries.html#a=${seed.value}` }, "All queries of this scoring")].filter(Boolean));
      const part = (title, positions) => [make("h3", {}, title), make("div", { class: "list" }, ...positions.map((p) => article(context, p)))];
      body.replaceChildren(
        ...part(`The ${context.queries.worst.length} worst`, context.queries.worst),
        ...part(`${context.queries.random.length} drawn by chance`, context.queries.random));
    };
    const seed = choice("Scoring of", "seed", seeds, state().get("seed"), show);
    root.replaceChildren(controls, body);
    await show();
  };

  const queriesView = async (root) => {
    const index = await load("index");
    if (!index.evaluations.length) { root.replaceChildren(make("p", {}, "No scoring is there yet.")); return; }
    const head = make("div", { class: "controls" });
    const count = make("p", { role: "status" });
    const body = make("div");
    let context = null;
    let narrowed = null;
    const update = () => {
      const q = context.queries;
      const sign = order.value === "best" ? -1 : 1;
      const fitting = q.query.map((_, p) => p).filter(narrowed.fits);
      if (order.value !== "name") fitting.sort((a, b) => sign * (q.ap[a] - q.ap[b]));
      const counted = fitting.filter((p) => q.ap[p] >= 0);
      const mean = counted.length ? (counted.reduce((sum, p) => sum + q.ap[p], 0) / counted.length / 10).toFixed(1) : "–";
      count.textContent = `${fitting.length} of ${q.query.length} queries, mAP ${mean}`;
      listing(body, fitting, (p) => article(context, p));
    };
    const begin = async () => {
      context = await open(scoring.value);
      narrowed = filters(context, update);
      head.replaceChildren(...[scoring.box, order.box, toggle(root, [context]), mapsToggle(root, context), narrowed.box].filter(Boolean));
      update();
    };
    const scoring = choice("Scoring", "a", index.evaluations.map((e) => [e.key, label(e)]), state().get("a"), begin);
    const order = choice("Order", "order", [["worst", "worst first"], ["best", "best first"], ["name", "by name"]], state().get("order"), update);
    root.replaceChildren(head, count, body);
    await begin();
  };

  const compareView = async (root) => {
    const index = await load("index");
    const by = new Map(index.evaluations.map((e) => [e.key, e]));
    const sets = (e) => `${e.benchmark} ${e.test} ${e.protocol}`;
    const paired = index.evaluations.filter((e) => index.evaluations.some((o) => o.key !== e.key && sets(o) === sets(e)));
    if (!paired.length) { root.replaceChildren(make("p", {}, "Two scorings of one test set are not there yet.")); return; }
    const head = make("div", { class: "controls" });
    const count = make("p", { role: "status" });
    const body = make("div");
    let a = null;
    let b = null;
    let gains = [];
    let narrowed = null;
    let second = null;
    const update = () => {
      const fitting = gains.map((_, p) => p).filter((p) => gains[p] !== null && narrowed.fits(p));
      const wins = fitting.filter((p) => gains[p] > 0).length;
      const losses = fitting.filter((p) => gains[p] < 0).length;
      const mean = fitting.length ? (fitting.reduce((sum, p) => sum + gains[p], 0) / fitting.length / 10).toFixed(2) : "–";
      count.textContent = `A wins ${wins}, loses ${losses}, equal ${fitting.length - wins - losses}; mean difference in AP ${mean}`;
      const orders = { wins: (x, y) => gains[y] - gains[x], losses: (x, y) => gains[x] - gains[y], most: (x, y) => Math.abs(gains[y]) - Math.abs(gains[x]) };
      fitting.sort(orders[order.value]);
      listing(body, fitting, (p) => make("article", { class: "query" }, asking(a, p), make("div", { class: "answer" },
        make("p", { class: gains[p] > 0 ? "win" : gains[p] < 0 ? "loss" : "" }, `A less B: ${gains[p] > 0 ? "+" : ""}${(gains[p] / 10).toFixed(1)} points of AP`),
        make("p", {}, `A: ${facts(a, p)}`), ranked(a, p), make("p", {}, `B: ${facts(b, p)}`), ranked(b, p))));
    };
    const begin = async () => {
      const own = by.get(first.value);
      const others = paired.filter((e) => e.key !== own.key && sets(e) === sets(own)).map((e) => [e.key, label(e)]);
      second = choice("B", "b", others, state().get("b"), begin);
      [a, b] = await Promise.all([open(own.key), open(second.value)]);
      gains = a.queries.ap.map((value, p) => (value < 0 || b.queries.ap[p] < 0 || a.queries.query[p] !== b.queries.query[p] ? null : value - b.queries.ap[p]));
      narrowed = filters(a, update);
      head.replaceChildren(...[first.box, second.box, order.box, toggle(root, [a, b]), narrowed.box].filter(Boolean));
      update();
    };
    const usual = paired.find((e) => e.rows.some((row) => row.endsWith(" SVRN"))) || paired[0];
    const first = choice("A", "a", paired.map((e) => [e.key, label(e)]), state().get("a") || usual.key, begin);
    const order = choice("Order", "order", [["wins", "A's greatest wins first"], ["losses", "A's greatest losses first"], ["most", "greatest differences first"]], state().get("order"), update);
    root.replaceChildren(head, count, body);
    await begin();
  };

  const views = { cell: cellView, queries: queriesView, compare: compareView };
  const start = () => document.querySelectorAll("[data-view]").forEach((root) => {
    views[root.dataset.view](root).then(() => { root.dataset.ready = "yes"; }).catch((error) => {
      root.replaceChildren(make("p", { role: "alert" }, `This part cannot be shown: ${error.message}`));
    });
  });

  return { put, start };
})();

window.svrn.start();
