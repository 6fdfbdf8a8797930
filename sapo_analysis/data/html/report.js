// Draws each figure when it comes into view, and makes tables sortable and searchable.
(() => {
  "use strict";

  const PRINTED = { ink: "#14171c", panel: "#ffffff", line: "#d5d9e0" };
  const PAGE = { width: 660, height: 760 };  // of a printed page, less title and caption
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Map();  // to the promise of being there
  const hasWebgl = Boolean(document.createElement("canvas").getContext("webgl"));
  let printing = false;

  const variable = (name) =>
    printing
      ? PRINTED[name]
      : getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const colors = () => ({
    "font.color": variable("ink"),
    "hoverlabel.bgcolor": variable("panel"),
    "hoverlabel.bordercolor": variable("line"),
    "hoverlabel.font.color": variable("ink"),
  });

  // Printed, a figure keeps its least width and its height, and is made small enough for a page.
  const shrunk = (plot) =>
    Math.min(
      1,
      PAGE.height / parseFloat(plot.style.height),
      PAGE.width / parseFloat(plot.style.minWidth),
    );
  const printedWidth = (plot) => {
    plot.style.zoom = shrunk(plot);
    return PAGE.width / shrunk(plot);
  };

  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  function draw(plot) {
    if (drawn.has(plot)) return;
    const figure = JSON.parse(document.getElementById(plot.dataset.from).textContent);
    if (!hasWebgl) figure.data.forEach((trace) => (trace.type = trace.type.replace("gl", "")));
    plot.dataset.gl = figure.data.some((trace) => trace.type === "scattergl");
    const layout = figure.layout;
    layout.font = { ...layout.font, family: getComputedStyle(document.body).fontFamily };
    if (printing) layout.width = printedWidth(plot);
    for (const [path, value] of Object.entries(colors())) {
      const keys = path.split(".");
      const last = keys.pop();
      let at = layout;
      for (const key of keys) at = at[key] = at[key] || {};
      at[last] = value;
    }
    drawn.set(plot, Plotly.newPlot(plot, figure.data, layout, config));
  }

  // What is asked of a figure that is not there yet waits for it.
  const change = (plot, changes) =>
    drawn.get(plot).then(() => drawn.has(plot) && Plotly.relayout(plot, changes));

  // A browser has few WebGL contexts: figures that use them give them back when out of sight.
  function forget(plot) {
    if (!drawn.has(plot) || plot.dataset.gl !== "true" || printing) return;
    drawn.delete(plot);
    Plotly.purge(plot);
  }

  const watcher = new IntersectionObserver(
    (entries) => entries.forEach((one) => (one.isIntersecting ? draw : forget)(one.target)),
    { rootMargin: "500px 0px" },
  );
  plots.forEach((plot) => watcher.observe(plot));

  dark.addEventListener("change", () => drawn.forEach((_, plot) => change(plot, colors())));

  addEventListener("beforeprint", () => {
    printing = true;
    plots.forEach((plot) => {
      if (drawn.has(plot)) change(plot, { ...colors(), width: printedWidth(plot) });
      else draw(plot);
    });
  });
  addEventListener("afterprint", () => {
    printing = false;
    drawn.forEach((_, plot) => {
      plot.style.zoom = "";
      // Not `width: null`: plotly knows no width of its own for figures that were drawn to print.
      delete plot.layout.width;
      change(plot, { ...colors(), autosize: true });
    });
  });

  const value = (row, column) => {
    const cell = row.cells[column];
    return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent;
  };

  // Numbers before texts, so that cells without a number come last.
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : typeof a === typeof b
        ? a.localeCompare(b, "en", { numeric: true })
        : typeof a === "number" ? -1 : 1;

  function sort(table, head, column) {
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) => (falling ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  }

  function search(section) {
    const tools = section.querySelector(".tools");
    if (!tools) return;
    const rows = [...section.querySelectorAll("tbody tr")];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const [field, count] = [tools.querySelector("input"), tools.querySelector("output")];
    const show = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        n += !row.hidden;
      });
      count.textContent = `${n} of ${rows.length}`;
    };
    field.addEventListener("input", show);
    tools.hidden = false;
    show();
  }

  for (const section of document.querySelectorAll("section.table")) {
    const table = section.querySelector("table");
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head, column));
    });
    search(section);
  }
})();
