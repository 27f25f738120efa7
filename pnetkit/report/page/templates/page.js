// The page's only script: scrolls through slices of all phases of a case together, and goes from case to case by j and k.
// Volumes are unpacked when they come into view, drawn on a 2-D canvas, and let go of when others take their place.
"use strict";
(() => {
  const LOWEST_HU = -512, STEP_HU = 4, KEPT = 12, SVG = "http://www.w3.org/2000/svg";
  const STRUCTURES = [["pancreas", [1, 2, 3]], ["duct", [3]], ["tumor", [2]]];
  const root = document.documentElement;
  root.classList.add("scripted");

  // --- volumes ---------------------------------------------------------------------------------------------------

  const waiting = new Map();
  globalThis.pnetkitVolume = (name, text) => waiting.get(name)?.(text); // what a linked volume's file calls

  function textOf(block) {
    if (!block.dataset.link) return Promise.resolve(block.textContent);
    return new Promise((resolve, reject) => {
      waiting.set(block.dataset.name, resolve);
      const script = document.createElement("script");
      script.src = block.dataset.link;
      script.onerror = () => reject(new Error(`${block.dataset.link} cannot be read`));
      document.head.append(script);
    });
  }

  async function unpacked(block) {
    const bytes = Uint8Array.from(atob((await textOf(block)).trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // --- pictures --------------------------------------------------------------------------------------------------

  let chosen = null; // the window that was chosen instead of each picture's own: its ends in HU

  function shadesOf(low, high) {
    return Uint8ClampedArray.from({ length: 256 }, (_, i) => ((LOWEST_HU + i * STEP_HU - low) * 255) / (high - low));
  }

  function drawSlice(panel, index) {
    const { width, height, data, canvas } = panel, size = width * height;
    const shades = shadesOf(...(chosen ?? [panel.low, panel.high]));
    const image = new ImageData(width, height), levels = data.subarray(index * size, (index + 1) * size);
    for (let i = 0; i < size; i++) {
      image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = shades[levels[i]];
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    const labels = data.subarray((panel.slices + index) * size, (panel.slices + index + 1) * size);
    drawOutlines(panel, labels);
  }

  function drawOutlines(panel, labels) {
    const paths = [], marks = new Map();
    for (const [structure, values] of STRUCTURES)
      for (const [who, shift] of [["reference", 2], ["prediction", 0]]) {
        const inside = Uint8Array.from({ length: 16 }, (_, byte) => values.includes((byte >> shift) & 3));
        const path = outline(labels.map((byte) => inside[byte]), panel.width, panel.height);
        if (!path) continue;
        paths.push(element("path", { class: `outline ${structure} ${who}`, d: path }));
        if (marks.has(structure)) continue;
        const [x, y] = path.slice(1).match(/\d+/g).map(Number), size = panel.wide / 24;
        const at = { x: x * panel.voxel[0], y: y * panel.voxel[1] - panel.wide / 90 };
        while ([...marks.values()].some((m) => Math.abs(m.at.x - at.x) < size && Math.abs(m.at.y - at.y) < size)) at.x += size / 4;
        marks.set(structure, { at, text: element("text", { class: `mark ${structure} ${who}`, ...at }, structure[0].toUpperCase()) });
      }
    panel.svg.querySelector(".outlines").setAttribute("transform", `scale(${panel.voxel[0]} ${panel.voxel[1]})`);
    panel.svg.querySelector(".outlines").replaceChildren(...paths);
    panel.svg.querySelector(".marks").replaceChildren(...[...marks.values()].map((mark) => mark.text));
  }

  function element(name, attributes, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  // The outline of a mask along its voxels' edges: directed so that the mask lies on the right, joined into loops.
  function outline(mask, width, height) {
    const next = new Map(), wide = width + 1;
    const edge = (x, y, u, v) => {
      const key = y * wide + x, ends = next.get(key);
      if (ends) ends.push(v * wide + u); else next.set(key, [v * wide + u]);
    };
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) {
        if (!mask[i]) continue;
        if (y === 0 || !mask[i - width]) edge(x, y, x + 1, y);
        if (x === width - 1 || !mask[i + 1]) edge(x + 1, y, x + 1, y + 1);
        if (y === height - 1 || !mask[i + width]) edge(x + 1, y + 1, x, y + 1);
        if (x === 0 || !mask[i - 1]) edge(x, y + 1, x, y);
      }
    let path = "";
    for (const start of [...next.keys()].sort((a, b) => a - b))
      while (next.get(start).length) {
        let here = next.get(start).pop(), last = start, way = here - last, run = way;
        path += `M${start % wide} ${Math.floor(start / wide)}`;
        while (here !== start) {
          const ends = next.get(here), right = here + turned(way, wide);
          const place = ends.length > 1 && ends.includes(right) ? ends.indexOf(right) : ends.length - 1;
          last = here;
          here = ends.splice(place, 1)[0];
          if (here - last === way) { run += way; continue; }
          path += step(run, way, wide);
          way = run = here - last;
        }
        path += `${step(run, way, wide)}z`;
      }
    return path;
  }
  const turned = (way, wide) => (way === 1 ? wide : way === wide ? -1 : way === -1 ? -wide : 1);
  const step = (run, way, wide) => (Math.abs(way) === 1 ? `h${run}` : `v${run / wide}`);

  // --- viewers ---------------------------------------------------------------------------------------------------

  const viewers = new Map(), recent = [];

  async function open(article) {
    if (viewers.has(article)) return;
    const panels = [...article.querySelectorAll(".panel")].filter((panel) => panel.querySelector(".volume"));
    if (!panels.length) return;
    const viewer = { article, panels: [], input: article.querySelector(".scroll input"), output: article.querySelector(".scroll output") };
    viewers.set(article, viewer);
    viewer.panels = await Promise.all(panels.map(async (panel) => {
      const block = panel.querySelector(".volume"), of = Object.fromEntries(Object.entries(block.dataset).map(([k, v]) => [k, Number(v)]));
      const svg = panel.querySelector(".picture svg"), canvas = panel.querySelector("canvas"), box = svg.viewBox.baseVal;
      canvas.width = of.width;
      canvas.height = of.height;
      const start = { outlines: [...svg.querySelector(".outlines").childNodes], marks: [...svg.querySelector(".marks").childNodes], scale: svg.querySelector(".outlines").getAttribute("transform"), where: panel.querySelector(".where").textContent };
      return { ...of, svg, canvas, start, where: panel.querySelector(".where"), wide: box.width, voxel: [box.width / of.width, box.height / of.height], data: await unpacked(block) };
    }));
    const { input } = viewer, ends = viewer.panels.map((p) => [p.lowest, p.lowest + (p.slices - 1) * p.step]);
    viewer.step = Math.min(...viewer.panels.map((p) => p.step));
    const low = Math.min(...ends.map((e) => e[0])), high = Math.max(...ends.map((e) => e[1]));
    const leading = viewer.panels[0], begin = leading.lowest + leading.first * leading.step;
    viewer.begin = Number(article.dataset.at ?? begin);
    input.step = "any";
    input.min = low;
    input.max = high;
    input.value = viewer.begin;
    input.addEventListener("input", () => show(viewer, Number(input.value)));
    input.addEventListener("keydown", (event) => {
      const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }[event.key];
      if (way) { event.preventDefault(); move(viewer, way); }
    });
    article.querySelector(".scroll").hidden = false;
    article.classList.add("scrolls");
    for (const { svg, canvas } of viewer.panels) {
      canvas.hidden = false;
      svg.querySelector("image").style.visibility = "hidden";
      svg.parentElement.addEventListener("click", () => input.focus({ preventScroll: true }));
      svg.parentElement.addEventListener("wheel", (event) => {
        if (!article.contains(document.activeElement) || article === document.activeElement || event.ctrlKey) return;
        event.preventDefault();
        move(viewer, event.deltaY > 0 ? -1 : 1);
      }, { passive: false });
    }
    input.addEventListener("focus", () => article.classList.add("active"));
    input.addEventListener("blur", () => article.classList.remove("active"));
    show(viewer, viewer.begin);
    recent.push(article);
    while (recent.length > KEPT) close(recent.shift());
  }

  function show(viewer, at) {
    viewer.at = Math.min(Math.max(at, Number(viewer.input.min)), Number(viewer.input.max));
    viewer.input.value = viewer.at;
    viewer.article.dataset.at = viewer.at;
    const said = `${viewer.at.toFixed(1)} mm`;
    viewer.output.value = said;
    viewer.input.setAttribute("aria-valuetext", said);
    for (const panel of viewer.panels) {
      const index = Math.min(Math.max(Math.round((viewer.at - panel.lowest) / panel.step), 0), panel.slices - 1);
      panel.where.textContent = `${(panel.lowest + index * panel.step).toFixed(1)} mm`;
      drawSlice(panel, index);
    }
  }

  const move = (viewer, slices) => show(viewer, viewer.at + slices * viewer.step);

  // Show the still again and let go of the slices; what was chosen is kept for when the case comes into view again.
  function close(article) {
    const viewer = viewers.get(article);
    if (!viewer) return;
    if (article.contains(document.activeElement)) { recent.push(article); return; }
    viewers.delete(article);
    for (const panel of viewer.panels) still(panel);
    const old = viewer.input, fresh = old.cloneNode(); // without its listeners
    old.replaceWith(fresh);
    for (const { svg } of viewer.panels) svg.parentElement.replaceWith(svg.parentElement.cloneNode(true));
    article.querySelector(".scroll").hidden = true;
    article.classList.remove("scrolls", "active");
  }

  function still(panel) {
    panel.canvas.hidden = true;
    panel.svg.querySelector("image").style.visibility = "";
    panel.svg.querySelector(".outlines").replaceChildren(...panel.start.outlines);
    panel.svg.querySelector(".outlines").setAttribute("transform", panel.start.scale);
    panel.svg.querySelector(".marks").replaceChildren(...panel.start.marks);
    panel.where.textContent = panel.start.where;
  }

  const articles = [...document.querySelectorAll(".case")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries)
      if (entry.isIntersecting) open(entry.target).catch((error) => { entry.target.dataset.fault = error.message; });
  }, { rootMargin: "200px" });
  for (const article of articles) seen.observe(article);

  document.getElementById("window")?.addEventListener("change", (event) => {
    chosen = event.target.value ? event.target.value.split(" ").map(Number) : null;
    for (const viewer of viewers.values()) if (viewer.panels.length && viewer.at !== undefined) show(viewer, viewer.at);
  });
  addEventListener("beforeprint", () => { for (const viewer of viewers.values()) viewer.panels.forEach(still); });
  addEventListener("afterprint", () => {
    for (const viewer of viewers.values()) {
      for (const { svg, canvas } of viewer.panels) { canvas.hidden = false; svg.querySelector("image").style.visibility = "hidden"; }
      if (viewer.panels.length) show(viewer, viewer.at);
    }
  });

  // --- cases by j and k ------------------------------------------------------------------------------------------

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, textarea, input[type=text]")) return;
    if (event.key !== "j" && event.key !== "k") return;
    const focused = articles.findIndex((article) => article.contains(document.activeElement));
    const above = articles.filter((article) => article.getBoundingClientRect().top < 90).length - 1;
    const here = focused >= 0 ? focused : above;
    const next = articles[event.key === "j" ? here + 1 : Math.max(here - 1, 0)];
    if (!next) return;
    event.preventDefault();
    next.scrollIntoView({ block: "start" });
    next.focus({ preventScroll: true });
  });
})();
