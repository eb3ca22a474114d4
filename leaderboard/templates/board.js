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

  // Everything that stands for a row, by the row: its lines in all tables, its remark, its card.
  const twins = new Map();
  function gatherTwins() {
    all("[data-row], [data-remark]").forEach((part) => {
      const row = part.dataset.row ?? part.dataset.remark;
      if (!twins.has(row)) twins.set(row, []);
      twins.get(row).push(part);
    });
  }

  function remarks(row) {
    return twins.get(row.dataset.row).filter((part) => part.dataset.remark && part.parentElement === row.parentElement);
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
        twins.get(row.dataset.row).forEach((twin) => { twin.hidden = row.hidden; });
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
      say(`${label} of all rows copied`);
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
    all("input[data-show]").forEach((box) => {
      const show = () => root.toggleAttribute(`data-${box.dataset.show}`, box.checked);
      box.addEventListener("change", show);
      show();
    });
    filter();
  }

  function openTarget() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) {
      if (part instanceof HTMLDetailsElement) part.open = true;
    }
    target.scrollIntoView();
  }

  // A title shows on hovering alone; this shows the same words for the keyboard and for a finger too.
  function startTips() {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "tooltip");
    document.body.append(tip);
    all("[title]").forEach((part) => {
      part.dataset.tip = part.title;
      part.removeAttribute("title");
      part.setAttribute("aria-description", part.dataset.tip);
    });
    let told = null;
    const hide = () => { told = null; tip.classList.remove("shown"); };
    const place = () => {
      const at = told.getBoundingClientRect();
      const left = Math.max(8, Math.min(at.left, root.clientWidth - tip.offsetWidth - 8));
      const below = at.bottom + 8 + tip.offsetHeight < innerHeight;
      tip.style.left = `${left}px`;
      tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - 8 - tip.offsetHeight)}px`;
    };
    const show = (event) => {
      told = event.target.closest?.("[data-tip]");
      if (!told) return hide();
      tip.textContent = told.dataset.tip;
      place();
      tip.classList.add("shown");
    };
    ["mouseover", "focusin"].forEach((kind) => document.addEventListener(kind, show));
    document.addEventListener("focusout", hide);
    addEventListener("scroll", () => told && place(), { capture: true, passive: true });
    addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  }

  document.addEventListener("DOMContentLoaded", () => {
    gatherTwins();
    startTheme();
    startTips();
    startSorting();
    startControls();
    openTarget();
    addEventListener("hashchange", openTarget);
  });
})();
