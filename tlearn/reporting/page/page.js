(() => {
  const byId = (id) => document.getElementById(id);

  // Sorting: numbers begin with the highest, names with the first of the alphabet.
  for (const button of document.querySelectorAll(".sort")) {
    const head = button.parentElement;
    button.addEventListener("click", () => {
      const table = head.closest("table");
      const text = button.dataset.kind === "text";
      const before = head.getAttribute("aria-sort");
      const falling = before ? before === "ascending" : !text;
      for (const one of table.querySelectorAll("th[aria-sort]")) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const value = (row) => {
        const cell = row.cells[head.cellIndex];
        return text ? cell.textContent : cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
      };
      const compare = text
        ? (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true })
        : (a, b) => value(a) - value(b);
      const missing = (row) => !text && Number.isNaN(value(row));
      rows.sort((a, b) => missing(a) - missing(b) || (missing(a) ? 0 : (falling ? -1 : 1) * compare(a, b)));
      table.tBodies[0].append(...rows);
    });
  }

  // Photos: those of the page are taken from where they stand, the others from the store.
  const store = JSON.parse(byId("store").textContent);
  const source = (place) =>
    document.querySelector(`img[data-photo="${place}"]`)?.src || store.photos[place]?.[2] || "";
  for (const image of document.querySelectorAll("img[data-again]")) image.src = source(image.dataset.again);

  const dialog = byId("cell");
  const show = (button) => {
    const places = store.cells[button.dataset.key] || [];
    const box = byId("cell-photos");
    box.replaceChildren(...places.map((place) => {
      const [name, probability] = store.photos[place];
      const figure = document.createElement("figure");
      figure.className = "photo";
      const held = source(place);
      if (held) {
        const image = document.createElement("img");
        image.src = held;
        image.alt = name;
        figure.append(image);
      }
      const caption = document.createElement("figcaption");
      const file = document.createElement("span");
      file.className = "file";
      file.title = name;
      file.textContent = held ? name.split("/").pop() : name;
      const quiet = document.createElement("span");
      quiet.className = "quiet";
      quiet.textContent = `${probability} %`;
      caption.append(file, quiet);
      figure.append(caption);
      return figure;
    }));
    const count = Number(button.dataset.count);
    byId("cell-title").textContent = button.getAttribute("aria-label");
    byId("cell-told").textContent = places.length < count
      ? `${places.length} of ${count} are in this page, the surest first.`
      : "The surest first.";
    dialog.showModal();
  };
  byId("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // The matrix is one stop of the Tab key; arrows go on to the next number in their direction.
  const matrix = document.querySelector(".matrix");
  const buttons = [...matrix.querySelectorAll("button")];
  const rest = (chosen) => { for (const one of buttons) one.tabIndex = one === chosen ? 0 : -1; };
  if (buttons.length) rest(buttons[0]);
  const place = (button) => [button.closest("tr").rowIndex, button.parentElement.cellIndex];
  const next = (from, down, right) => {
    let [row, column] = place(from);
    for (;;) {
      row += down;
      column += right;
      const cell = matrix.rows[row]?.cells[column];
      if (!cell) return null;
      const found = cell.querySelector("button[data-key]");
      if (found) return found;
    }
  };
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  for (const button of buttons) {
    button.addEventListener("click", () => { rest(button); show(button); });
    button.addEventListener("keydown", (event) => {
      if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const found = next(button, ...steps[event.key]);
      if (found) { rest(found); found.focus(); }
    });
  }

  const choice = document.querySelector(".choice");
  choice.hidden = false;
  for (const option of choice.children) {
    option.addEventListener("click", () => {
      for (const one of choice.children) one.setAttribute("aria-pressed", String(one === option));
      for (const one of buttons) one.textContent = one.dataset[option.dataset.show];
    });
  }

  // On paper everything is open.
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) {
      one.open = true;
      one.dataset.closed = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const one of document.querySelectorAll("details[data-closed]")) {
      one.open = false;
      delete one.dataset.closed;
    }
  });
})();
