"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  root.dataset.scripted = "";

  // A file opened from disk may have no storage; the page then forgets the choice and works all the same.
  const remembered = {
    get: () => { try { return localStorage.getItem("temper-theme"); } catch { return null; } },
    set: (theme) => { try { localStorage.setItem("temper-theme", theme); } catch { /* nothing to keep it in */ } },
  };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
  if (["light", "dark"].includes(remembered.get())) root.dataset.theme = remembered.get();

  function startTheme() {
    const button = document.querySelector("[data-action=theme]");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remembered.set(root.dataset.theme);
      show();
    });
    systemDark.addEventListener("change", show);
    show();
  }

  function remarks(row) {
    return all(`[data-remark="${row.dataset.row}"]`, row.parentElement);
  }

  // Rows without a value stay last whichever way the column is sorted; equal ones keep the order of the board.
  function sortRows(body, column, numeric, sign) {
    const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const rows = all("tr[data-row]", body);
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "") || a.dataset.place - b.dataset.place;
      const order = numeric ? x - y : x < y ? -1 : Number(x > y);
      return sign * order || a.dataset.place - b.dataset.place;
    });
    body.append(...rows.flatMap((row) => [row, ...remarks(row)]));
  }

  function sortBy(button) {
    const header = button.closest("th");
    const table = button.closest("table");
    const numeric = button.dataset.kind.startsWith("number");
    const first = numeric && button.dataset.better === "up" ? "descending" : "ascending";
    const now = header.getAttribute("aria-sort");
    const next = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
    all("th[aria-sort]", table).forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    all("tbody", table).forEach((body) => sortRows(body, Number(button.dataset.column), numeric, sign));
  }

  function startSorting() {
    all("tr[data-row]").forEach((row, place) => { row.dataset.place = place; });
    all("th button[data-column]").forEach((button) => button.addEventListener("click", () => sortBy(button)));
  }

  function chosen(name) {
    return document.querySelector(`select[data-switch=${name}]`)?.value ?? "";
  }

  function filterSections() {
    const suite = chosen("suite");
    const backbone = chosen("backbone");
    all(".contest").forEach((section) => {
      const { suite: s, backbone: b } = section.dataset;
      section.hidden = (suite !== "" && s !== suite) || (backbone !== "" && b !== backbone);
    });
    all(".glossary").forEach((part) => { part.hidden = suite !== "" && part.dataset.suite !== suite; });
  }

  function filterRows() {
    const terms = document.querySelector(".search input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const groups = new Set(all("input[data-group]").filter((box) => !box.checked).map((box) => box.dataset.group));
    let shown = 0;
    let total = 0;
    all(".contest:not([hidden]) .board tbody").forEach((body) => {
      all("tr[data-row]", body).forEach((row) => {
        const text = [row, ...remarks(row)].map((part) => part.textContent).join(" ").toLowerCase();
        row.hidden = groups.has(body.dataset.group) || !terms.every((term) => text.includes(term));
        total += 1;
        shown += Number(!row.hidden);
        const twins = all(`[data-row="${row.dataset.row}"], [data-remark="${row.dataset.row}"]`);
        twins.forEach((twin) => { twin.hidden = row.hidden; });
      });
    });
    all("tbody[data-group]").forEach((body) => { body.hidden = !all("tr[data-row]", body).some((row) => !row.hidden); });
    say(`${shown} of ${total} rows`);
  }

  function say(text) {
    document.querySelector(".status").textContent = text;
  }

  function filter() {
    filterSections();
    filterRows();
  }

  async function copy(name, label) {
    const text = JSON.parse(document.getElementById("exports").textContent)[name].join("\n");
    try {
      await navigator.clipboard.writeText(text);
      say(`${label} copied`);
    } catch {
      say(`The browser forbids copying; open ${name}`);
    }
  }

  function startControls() {
    if (!document.querySelector(".controls")) return;
    document.querySelector(".search input").addEventListener("input", filterRows);
    all("select[data-switch], input[data-group]").forEach((part) => part.addEventListener("change", filter));
    all("button[data-copy]").forEach((button) => {
      button.addEventListener("click", () => copy(button.dataset.copy, button.textContent));
    });
    filter();
  }

  function openTarget() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }

  // On a phone the explanations would fill the first screen.
  function foldReading() {
    const reading = document.querySelector(".reading");
    if (reading && matchMedia("(max-width: 40rem)").matches) reading.open = false;
  }

  document.addEventListener("DOMContentLoaded", () => {
    foldReading();
    startTheme();
    startSorting();
    startControls();
    openTarget();
    addEventListener("hashchange", openTarget);
  });
})();
