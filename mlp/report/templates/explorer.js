"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const page = JSON.parse(find("pair-data").textContent);
  const { arms, classes, words } = page;
  const [one, other, cls, measure] = ["one", "other", "class", "measure"].map((id) => find(`pair-${id}`));
  const FIRST = 24; // images of each kind that are shown at once
  const said = (phrase, values) => words[phrase].replace(/{(\w+)}/g, (_, name) => values[name]);

  function element(name, content, attributes = {}) {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...[content].flat());
    return made;
  }

  function theme() {
    const style = getComputedStyle(document.body);
    const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name));
    const axis = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line };
    const legend = { labelColor: ink, titleColor: ink };
    return { aria: false, background: null, font: style.fontFamily, axis, legend, view: { stroke: null } };
  }

  function draw(id, spec, values, label) {
    find(id).setAttribute("aria-label", label);
    const shown = { ...spec, data: { values } };
    const drawn = vegaEmbed(find(id), shown, { renderer: "svg", actions: false, config: theme() });
    drawn.then(() => { find(id).querySelector("svg").ariaHidden = "true"; }); // the label says it
  }

  function curves(chosen) {
    return chosen.flatMap((arm) => ["val", "train"].flatMap((part) => {
      const [mean, low, high] = page.curves[arm][`${part}/${measure.value}`];
      return mean.map((value, k) => (
        { arm: arms[arm], part: words[part], epoch: k + 1, mean: value, low: low[k], high: high[k] }
      ));
    }));
  }

  function cells(matrix, full) {
    return matrix.flatMap((row, k) => row.map((value, j) => (
      { true: classes[k], predicted: classes[j], value, full }
    )));
  }

  function drawMatrices(a, b) {
    if (!page.matrices.length) return;
    const [first, second] = [page.matrices[a], page.matrices[b]];
    const change = first.map((row, k) => row.map((value, j) => Math.round(10 * (value - second[k][j])) / 10));
    const most = Math.max(1, ...change.flat().map(Math.abs));
    const signed = structuredClone(page.charts.difference);
    signed.layer[0].encoding.color.scale.domain = [-most, most];
    const shown = [
      [page.charts.matrix, first, 100, said("matrix", { arm: arms[a] })],
      [page.charts.matrix, second, 100, said("matrix", { arm: arms[b] })],
      [signed, change, most, said("difference", { first: arms[a], second: arms[b] })],
    ];
    shown.forEach(([spec, values, full, title], k) => {
      find(`pair-matrix-${k}-title`).textContent = title;
      draw(`pair-matrix-${k}`, spec, cells(values, full), title);
    });
  }

  function card(image, chosen) {
    const lines = chosen.map((arm) => said("says", {
      arm: arms[arm],
      cls: classes[image.said[arm]],
      share: Math.round(100 * image.sure[arm]),
      k: image.right[arm],
      n: image.runs[arm],
    }));
    const text = [image.name, ...lines].map((line) => element("span", line));
    text.splice(1, 0, element("strong", classes[image.label]));
    const picture = image.picture
      ? [element("img", [], { alt: "", src: `data:image/jpeg;base64,${image.picture}` })] : [];
    return element("figure", [...picture, element("figcaption", text)]);
  }

  function wins(a, b) {
    const right = (image, arm) => image.runs[arm] && image.said[arm] === image.label;
    const lead = (image) => image.right[a] / image.runs[a] - image.right[b] / image.runs[b];
    const gain = (image) => image.truth[a] - image.truth[b];
    const found = page.images
      .filter((image) => right(image, a) && image.runs[b] && !right(image, b))
      .filter((image) => cls.value === "" || image.label === Number(cls.value))
      .sort((x, y) => lead(y) - lead(x) || gain(y) - gain(x));
    const head = element("h3", said("wins", { first: arms[a], second: arms[b], count: found.length }));
    const cards = (some) => some.map((image) => card(image, [a, b]));
    const shown = element("div", cards(found.slice(0, FIRST)), { className: "thumbnails" });
    const more = found.length > FIRST ? [element("button", said("more", { count: found.length }), {
      type: "button",
      onclick: (event) => {
        shown.append(...cards(found.slice(FIRST)));
        event.target.remove();
      },
    })] : [];
    return element("div", [head, shown, ...more], { className: "finding" });
  }

  function runs(arm) {
    const made = element("p", said("runs", { arm: arms[arm] }) + " ");
    made.insertAdjacentHTML("beforeend", page.runs[arm]);
    return made;
  }

  function show() {
    const [a, b] = [Number(one.value), Number(other.value)];
    const what = measure.selectedOptions[0].textContent;
    const title = said("curves", { measure: what, first: arms[a], second: arms[b] });
    find("pair-curves-title").textContent = title;
    draw("pair-curves", page.charts.curves, curves([a, b]), title);
    drawMatrices(a, b);
    find("pair-runs").replaceChildren(runs(a), runs(b));
    find("pair-images").replaceChildren(wins(a, b), wins(b, a));
  }

  function sortable(table) {
    const value = (row, k) => row.cells[k].textContent.trim().replaceAll("−", "-");
    const order = (x, y) => {
      const [p, q] = [parseFloat(x), parseFloat(y)];
      return Number.isNaN(p) || Number.isNaN(q)
        ? Number.isNaN(p) - Number.isNaN(q) || x.localeCompare(y) : p - q;
    };
    for (const [k, head] of [...table.tHead.rows[0].cells].entries()) {
      if (!head.textContent) continue;
      const button = element("button", head.textContent, { type: "button" });
      button.onclick = () => {
        const sign = head.ariaSort === "ascending" ? -1 : 1;
        for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
        head.ariaSort = sign > 0 ? "ascending" : "descending";
        const rows = [...table.tBodies[0].rows];
        rows.sort((x, y) => sign * order(value(x, k), value(y, k)));
        table.tBodies[0].append(...rows);
      };
      head.replaceChildren(button);
    }
  }

  [one.value, other.value] = page.chosen;
  find("pair-live").hidden = false;
  for (const control of [one, other, cls, measure]) control.onchange = show;
  matchMedia("(prefers-color-scheme: dark)").onchange = show;
  document.querySelectorAll("table").forEach(sortable);
  show();
})();
