(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- sort

  const order = new Intl.Collator("en", { numeric: true });
  const number = /^-?[\d,]+(\.\d+)?( in all)?$/;
  const keyOf = (row, column) => row.cells[column].textContent.trim();
  const compare = (a, b) => number.test(a) && number.test(b)
    ? parseFloat(a.replaceAll(",", "")) - parseFloat(b.replaceAll(",", ""))
    : order.compare(a, b);

  function sort(table, header, column) {
    const down = header.getAttribute("aria-sort") === "ascending"
      || (!header.hasAttribute("aria-sort") && header.classList.contains("n"));
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    // Empty cells are zeros or unknown: last, whichever way.
    const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => (a === "") - (b === "") || (down ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  }

  for (const table of all("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, header, column));
      header.append(button);
    });
  }

  // ---- search

  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const rows = all("#model-table tbody tr").map((row) => [row.textContent.toLowerCase(), row]);
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [text, row] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    found.textContent = words.length ? `${shown} of ${rows.length} models` : "";
  });
  search.parentElement.hidden = rows.length < 2;

  // ---- the graph

  const picture = document.getElementById("picture");
  if (!picture) return;
  const nodes = all(".node", picture);
  const edges = all(".edges path", picture);
  const said = document.getElementById("picked");
  const invitation = said.textContent;
  const nameOf = (node) => node.querySelector("title").textContent;
  said.hidden = false;

  function pick(node) {
    for (const each of all(".lit, .picked", picture)) each.classList.remove("lit", "picked");
    picture.classList.toggle("picking", Boolean(node));
    if (!node) {
      said.textContent = invitation;
      return;
    }
    const own = node.id.slice(1);
    const needs = [];
    const neededBy = [];
    for (const edge of edges) {
      const { f, t } = edge.dataset;
      if (f !== own && t !== own) continue;
      edge.classList.add("lit");
      const other = nodes[f === own ? t : f];
      other.classList.add("lit");
      (f === own ? needs : neededBy).push(nameOf(other));
    }
    node.classList.add("lit", "picked");
    const name = document.createElement("b");
    name.textContent = nameOf(node);
    const list = (names) => names.join(", ") || "nothing";
    said.replaceChildren(name, ` needs ${list(needs)}. Needed by ${list(neededBy)}.`);
  }

  // One stop for the tab key; the arrow keys move on from there.
  picture.setAttribute("role", "group");
  nodes.forEach((node, index) => {
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", nameOf(node));
    node.setAttribute("tabindex", index ? "-1" : "0");
    node.addEventListener("pointerenter", () => pick(node));
    node.addEventListener("pointerleave", () => pick(null));
    node.addEventListener("focus", () => pick(node));
    node.addEventListener("blur", () => pick(null));
  });

  const middleOf = (node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  };
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  picture.addEventListener("keydown", (event) => {
    const direction = directions[event.key];
    const from = event.target.closest(".node");
    if (!direction || !from) return;
    event.preventDefault();
    const [x, y] = middleOf(from);
    let best = null;
    let least = Infinity;
    for (const node of nodes) {
      const [otherX, otherY] = middleOf(node);
      const [dx, dy] = [otherX - x, otherY - y];
      const along = dx * direction[0] + dy * direction[1];
      const aside = Math.abs(dx * direction[1]) + Math.abs(dy * direction[0]);
      if (along > 4 && along + 3 * aside < least) [best, least] = [node, along + 3 * aside];
    }
    if (!best) return;
    from.setAttribute("tabindex", "-1");
    best.setAttribute("tabindex", "0");
    best.focus();
  });
})();
