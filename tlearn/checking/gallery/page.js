"use strict";
(() => {
  const items = [...document.querySelectorAll(".suspect")];
  if (!items.length) return;
  const bar = document.getElementById("bar");
  const said = document.getElementById("said");
  const classes = [...document.querySelectorAll("#classes option")].map((one) => one.value);
  // What was chosen outlives a reload, where the browser allows it.
  const key = "tlearn-check:" + document.body.dataset.page;
  let saved = true;
  bar.hidden = false;

  const remember = () => {
    const chosen = items.map((item) => [item.dataset.choice || "", item.querySelector("select").value]);
    try { localStorage.setItem(key, JSON.stringify(chosen)); } catch { /* it is not allowed here */ }
  };
  const tell = (what) => {
    const done = items.filter((item) => item.dataset.choice).length;
    said.textContent = `${what ? what + ". " : ""}${done} of ${items.length} decided`;
  };
  const show = (item) => {
    for (const button of item.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.value === item.dataset.choice));
    }
  };
  const fill = (select) => {
    const here = new Set([...select.options].map((one) => one.value));
    for (const name of classes) if (!here.has(name)) select.add(new Option(name, name));
  };
  const choose = (item, choice) => {
    if (choice) item.dataset.choice = choice; else delete item.dataset.choice;
    show(item);
    saved = false;
    remember();
    const name = item.dataset.name;
    const label = item.querySelector("select").value;
    tell({
      relabel: `${name} becomes ${label}`,
      keep: `${name} stays ${item.dataset.given}`,
      remove: `${name} is taken out`,
    }[choice] || `${name} is open again`);
  };
  const go = (place) => {
    const item = items[Math.min(items.length - 1, Math.max(0, place))];
    for (const other of items) other.tabIndex = other === item ? 0 : -1;
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest", behavior: "instant" });
  };

  items.forEach((item, place) => {
    item.tabIndex = place ? -1 : 0;
    const select = item.querySelector("select");
    for (const event of ["focus", "pointerdown"]) select.addEventListener(event, () => fill(select));
    select.addEventListener("change", () => choose(item, "relabel"));
    for (const button of item.querySelectorAll("button")) {
      button.addEventListener("click", () =>
        choose(item, item.dataset.choice === button.value ? "" : button.value));
    }
  });

  const keys = { a: "relabel", r: "keep", x: "remove", u: "" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("select, input, textarea")) return;
    const place = items.indexOf(event.target.closest(".suspect"));
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (place < 0) {
      // From anywhere else a letter leads to the first that is open, and decides nothing unseen.
      if (event.key in keys) go(Math.max(0, items.findIndex((item) => !item.dataset.choice)));
      return;
    }
    if (event.key in steps) { event.preventDefault(); go(place + steps[event.key]); }
    else if (event.key === "Home") { event.preventDefault(); go(0); }
    else if (event.key === "End") { event.preventDefault(); go(items.length - 1); }
    else if (event.key in keys) {
      event.preventDefault();
      choose(items[place], keys[event.key]);
      if (event.key !== "u") go(place + 1);
    }
  });

  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  document.getElementById("save").addEventListener("click", () => {
    const lines = ["path,label,digest,action"];
    for (const item of items) {
      const choice = item.dataset.choice;
      if (!choice) continue;
      const label = choice === "relabel" ? item.querySelector("select").value : "";
      lines.push([item.dataset.path, label, item.dataset.digest, choice].map(quoted).join(","));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "corrections.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = true;
    tell(`corrections.csv has ${lines.length - 1} rows`);
  });
  addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });

  try {
    JSON.parse(localStorage.getItem(key) || "[]").forEach(([choice, label], place) => {
      if (!items[place] || !choice) return;
      const select = items[place].querySelector("select");
      fill(select);
      select.value = label;
      items[place].dataset.choice = choice;
      show(items[place]);
    });
  } catch { /* nothing is remembered */ }
  tell("");
})();
