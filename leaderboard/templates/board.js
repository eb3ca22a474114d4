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

  // Everything that belongs to a row, by the row: its lines in all tables, its remark, its card.
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

  // Rows without a value stay last whichever way the column is sorted; equal ones keep the order of the leaderboard.
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
    say(`Sorted by ${button.firstElementChild.textContent}, ${next}`);
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
    all(".section").forEach((section) => {
      const { suite: s, backbone: b } = section.dataset;
      section.hidden = (suite !== "" && s !== suite) || (backbone !== "" && b !== backbone);
    });
    all(".glossary").forEach((part) => { part.hidden = suite !== "" && part.dataset.suite !== suite; });
  }

  // Names are written with hyphens, underscores or neither; a search means all of them.
  const plain = (text) => text.toLowerCase().replaceAll(/[-_]/g, "");

  function filterRows() {
    const terms = plain(document.querySelector(".search input").value).split(/\s+/).filter(Boolean);
    const groups = new Set(all("input[data-group]").filter((box) => !box.checked).map((box) => box.dataset.group));
    let shown = 0;
    let total = 0;
    all(".section:not([hidden]) .board tbody").forEach((body) => {
      all("tr[data-row]", body).forEach((row) => {
        const text = [row, ...remarks(row)].map((part) => part.textContent).join(" ");
        const found = plain(text);
        row.hidden = groups.has(body.dataset.group) || !terms.every((term) => found.includes(term));
        total += 1;
        shown += Number(!row.hidden);
        twins.get(row.dataset.row).forEach((twin) => twin.toggleAttribute("hidden", row.hidden));
      });
    });
    all("tbody[data-group]").forEach((body) => { body.hidden = !all("tr[data-row]", body).some((row) => !row.hidden); });
    all(".section").forEach((section) => {
      const rows = all(".board tr[data-row]", section);
      section.toggleAttribute("data-empty", rows.length > 0 && rows.every((row) => row.hidden));
    });
    document.querySelector(".nothing").classList.toggle("shown", shown === 0 && total > 0);
    say(`${shown} of ${total} rows`);
  }

  function showAll() {
    document.querySelector(".search input").value = "";
    all("select[data-switch]").forEach((select) => { select.value = ""; });
    all("input[data-group]").forEach((box) => { box.checked = true; });
    filter();
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
      say(`${label} of all rows of the page copied`);
    } catch {
      say(`The browser forbids copying; open ${name}`);
    }
  }

  function startControls() {
    if (!document.querySelector(".controls")) return;
    document.querySelector(".search input").addEventListener("input", filterRows);
    document.querySelector("[data-action=clear]").addEventListener("click", showAll);
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

  function subject(hash) {
    try {
      return document.getElementById(decodeURIComponent(hash.slice(1)));
    } catch {
      return null; // no text, so no anchor of this page
    }
  }

  // What a link leads to may be filtered away or in a closed card.
  function uncover(hash) {
    const target = subject(hash);
    if (!target) return null;
    if (target.closest("[hidden], [data-empty]")) showAll();
    for (let part = target; part; part = part.parentElement) {
      if (part instanceof HTMLDetailsElement) part.open = true;
    }
    return target;
  }

  function startLinks() {
    // A second click on the same link does not change the address, and must open the card again.
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href^='#']");
      if (link) uncover(link.getAttribute("href"))?.scrollIntoView();
    });
    addEventListener("hashchange", () => uncover(location.hash));
    if (location.hash) uncover(location.hash)?.scrollIntoView();
  }

  // A browser takes a cell under the columns that stay for visible.
  function startFocus() {
    document.addEventListener("focusin", (event) => {
      const cell = event.target.closest?.("td, th");
      const stays = cell?.closest("table")?.querySelector(".method");
      if (!stays || cell.matches(".rank, .method")) return;
      const under = stays.getBoundingClientRect().right - cell.getBoundingClientRect().left;
      if (under > 0) cell.closest(".scroll").scrollLeft -= under;
    });
  }

  // A title shows on hovering alone; this shows the same words for the keyboard and for a finger too.
  function startTips() {
    const tip = document.createElement("div");
    const toldByClass = document.querySelector(".reading")?.dataset ?? {};
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
    // Where there is room, of a heading above, so that its column can be seen; it touches what it is about, so the
    // pointer can enter it.
    const place = () => {
      const at = told.getBoundingClientRect();
      const left = Math.max(8, Math.min(at.left, root.clientWidth - tip.offsetWidth - 8));
      const [above, below] = [at.top, innerHeight - at.bottom];
      const fits = (room) => room > tip.offsetHeight + 8;
      const under = told.closest("thead") ? !fits(above) && below > above : fits(below) || below > above;
      tip.style.maxHeight = `${Math.max(64, (under ? below : above) - 8)}px`;
      const top = under ? at.bottom : at.top - tip.offsetHeight;
      tip.style.transform = `translate(${left}px, ${top}px)`;
    };
    const about = (part) => {
      const named = part.closest?.("[data-tip], .spread, .change");
      const text = named?.dataset.tip ?? (named && toldByClass[named.classList[0]]);
      return text ? [named, text] : [null, ""];
    };
    const show = (event) => {
      if (tip.contains(event.target)) return;
      const [named, text] = about(event.target);
      if (!named) return hide();
      told = named;
      tip.textContent = text;
      tip.style.maxHeight = "";
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
    startLinks();
    startFocus();
  });
})();
