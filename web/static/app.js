/* Keys, focus, toasts and the small glue around htmx. Everything here is a shortcut: each action is a link or a form
   that works without this file. No inline handlers, no eval, nothing stored. */
(function () {
  "use strict";
  const one = (selector, root) => (root || document).querySelector(selector);
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const visible = (el) => el.getClientRects().length > 0;
  const typing = (el) => !!el && (el.matches("input:not([type=checkbox]):not([type=radio]), textarea, select") || el.isContentEditable);

  /* --- keys: a key presses the visible element that carries it ------------------------------------------------ */
  let pending = "", timer = 0, lastPicked = null;

  function nameOf(event) {
    if (event.key.length === 1 && event.shiftKey && /[a-z]/i.test(event.key)) return "Shift+" + event.key.toUpperCase();
    return event.key;
  }
  function press(name) {
    const found = all("[data-key]").filter((el) => el.dataset.key.split("|").includes(name) && visible(el) && !el.disabled);
    const target = found.find((el) => el.closest(".toast")) || found[0];
    if (!target) return false;
    if (typing(target)) { target.focus(); if (target.select) target.select(); return true; }
    target.click();
    return true;
  }
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const active = document.activeElement;
    if (event.key === "Escape" && typing(active)) { active.blur(); return; }
    if (typing(active) || one("dialog[open]")) return;
    const name = nameOf(event);
    if (name === "Enter" && active && active.matches("a, button, summary, [role=button], input")) return;
    if (pending) {
      const chord = pending + " " + name;
      pending = "";
      if (chord === "* a") { pickAll(); event.preventDefault(); return; }
      if (press(chord)) { event.preventDefault(); return; }
    }
    if (name === "g" || name === "*") {
      pending = name; clearTimeout(timer); timer = setTimeout(() => { pending = ""; }, 1200);
      event.preventDefault(); return;
    }
    if (move(name) || pick(name) || press(name)) event.preventDefault();
  });

  /* --- rows: j and k walk any list that says data-rows -------------------------------------------------------- */
  const rows = () => all("[data-rows] [data-row]").filter(visible);
  const current = (list) => list.findIndex((row) => row.hasAttribute("aria-current"));
  function mark(row) {
    rows().forEach((other) => other.removeAttribute("aria-current"));
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
  }
  function move(name) {
    if (name !== "j" && name !== "k") return false;
    const list = rows(), at = current(list), next = list[name === "j" ? at + 1 : Math.max(0, at - 1)];
    if (!next || (at === 0 && name === "k")) return list.length > 0;
    mark(next);
    const link = one("[data-open]", next);
    if (link && link.hasAttribute("hx-get")) link.click(); else if (link) link.focus();
    return true;
  }
  function pick(name) {
    if (name !== "x" && name !== "Shift+X") return false;
    const list = rows(), at = Math.max(0, current(list)), box = list[at] && one("input[type=checkbox]", list[at]);
    if (!box) return false;
    if (name === "x" || lastPicked === null) box.checked = !box.checked;
    else for (let i = Math.min(at, lastPicked); i <= Math.max(at, lastPicked); i++) { const b = one("input[type=checkbox]", list[i]); if (b) b.checked = true; }
    lastPicked = at;
    countPicked();
    return true;
  }
  function pickAll() {
    const boxes = rows().map((row) => one("input[type=checkbox]", row)).filter(Boolean), on = boxes.some((box) => !box.checked);
    boxes.forEach((box) => { box.checked = on; });
    countPicked();
  }
  function countPicked() {
    const n = all("[data-rows] [data-row] input[type=checkbox]:checked").length;
    all("[data-picked]").forEach((el) => { el.textContent = n ? n + " selected" : "none selected"; });
    all("[data-when-picked]").forEach((el) => { el.hidden = n === 0; });
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-row] input[type=checkbox]")) countPicked();
    if (event.target.matches("[data-submits]") && event.target.form) event.target.form.requestSubmit();
    if (event.target.matches("[data-all]")) { all("input[type=checkbox]", event.target.closest("fieldset, form")).forEach((box) => { box.checked = event.target.checked; }); countPicked(); }
  });
  document.addEventListener("click", (event) => {
    const open = event.target.closest("[data-row] [data-open]");
    if (open) { mark(open.closest("[data-row]")); const review = open.closest(".review"); if (review) review.classList.add("chosen"); }
    const close = event.target.closest("[data-close]");
    if (close) close.closest(".toast, dialog").remove();
  });

  /* --- toasts stay long enough to undo, and while looked at --------------------------------------------------- */
  function settle(root) {
    all(".toast:not([data-timed])", root).forEach((toast) => {
      toast.dataset.timed = "1";
      let left = setTimeout(() => toast.remove(), 12000);
      ["mouseenter", "focusin"].forEach((kind) => toast.addEventListener(kind, () => clearTimeout(left)));
      ["mouseleave", "focusout"].forEach((kind) => toast.addEventListener(kind, () => { left = setTimeout(() => toast.remove(), 6000); }));
    });
    countPicked();
    all("[data-no-script]", root).forEach((el) => { el.hidden = true; });
    all("[data-script]", root).forEach((el) => { el.hidden = false; });
  }
  function say(text) {
    const toast = document.createElement("div");
    toast.className = "toast bad"; toast.setAttribute("role", "alert"); toast.textContent = text;
    const place = one("#toasts"); if (place) { place.append(toast); settle(place); }
  }

  /* --- htmx: keep scroll and focus, say when the line is down ------------------------------------------------- */
  const kept = {};
  let searching = null;  // what stood in the palette when the page under it was swapped: it opens again with that
  document.addEventListener("htmx:beforeSwap", (event) => {
    all("[data-keep-scroll]").forEach((el) => { kept[el.id] = el.scrollTop; });
    const open = one("#palette[open] input");
    if (open && event.detail && event.detail.target === document.body) searching = open.value;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    settle(document);
    all("[data-keep-scroll]").forEach((el) => { if (el.id in kept) el.scrollTop = kept[el.id]; });
    if (event.detail && event.detail.boosted && !typing(document.activeElement)) { const main = one("main"); if (main) main.focus({ preventScroll: true }); }
    if (searching !== null) { const typed = searching; searching = null; openPalette(); const input = one("#palette input"); input.value = typed; if (typed) input.dispatchEvent(new Event("input")); }
  });
  document.addEventListener("htmx:sendError", () => say("No connection to the server. Nothing was changed; try again."));
  document.addEventListener("htmx:timeout", () => say("The server took too long. Look before you try again."));
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-decides]")) { const row = one("[data-rows] [data-row][aria-current]"); if (row) row.classList.add("leaving"); }
    if (event.submitter && event.target.matches("[data-once]")) setTimeout(() => { event.submitter.disabled = true; }, 0);
  });

  /* --- palette: the links of the page, and records and log items found while typing ---------------------------- */
  let asking = null, pause = 0;
  function openPalette() {
    const dialog = one("#palette");
    if (!dialog || dialog.open) return;
    const input = one("input", dialog), list = one("[role=listbox]", dialog), status = one("[role=status]", dialog);
    const links = all(".nav a.item, [data-command]").map((a) => ({ name: a.dataset.command || a.firstChild.textContent.trim(), href: a.href, key: (a.dataset.key || "").split("|")[0] }));
    let groups = [], answered = "";
    const typed = () => input.value.trim();
    function option(hit) {
      const a = document.createElement("a");
      a.id = "palette-" + all("[role=option]", list).length;
      a.setAttribute("role", "option"); a.href = hit.href; a.tabIndex = -1;
      [["name", hit.name], ["faint", hit.detail], ["faint push", hit.reason]].forEach(([name, text]) => {
        if (!text) return;
        const words = document.createElement("span");
        words.className = name; words.dir = "auto"; words.textContent = text; a.append(words);
      });
      if (hit.key) { const key = document.createElement("kbd"); key.textContent = hit.key; a.append(key); }
      list.append(a);
    }
    function here(to) {
      const items = all("[role=option]", list), at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
      items.forEach((item) => item.setAttribute("aria-selected", "false"));
      const next = items[to === "first" ? 0 : (at + to + items.length) % items.length];
      if (next) { next.setAttribute("aria-selected", "true"); next.scrollIntoView({ block: "nearest" }); input.setAttribute("aria-activedescendant", next.id); }
      else input.removeAttribute("aria-activedescendant");
    }
    function draw() {
      const wanted = typed().toLowerCase(), pages = links.filter((link) => link.name.toLowerCase().includes(wanted));
      list.replaceChildren();
      const found = wanted ? groups : [];
      [...(pages.length ? [{ label: "Go to", hits: wanted ? pages.slice(0, 4) : pages }] : []), ...found].forEach((group) => {
        const head = document.createElement("div");
        head.className = "head"; head.setAttribute("role", "presentation"); head.textContent = group.label; list.append(head);
        group.hits.forEach(option);
      });
      if (wanted) option({ name: "Search for \u201c" + typed() + "\u201d", href: dialog.dataset.search + "?q=" + encodeURIComponent(typed()) });
      here("first");
    }
    function ask() {
      const wanted = typed();
      clearTimeout(pause);
      if (asking) { asking.abort(); asking = null; }
      if (!wanted) { groups = []; answered = ""; status.textContent = ""; draw(); return; }
      if (wanted === answered) { draw(); return; }
      draw();
      pause = setTimeout(() => {
        asking = new AbortController();
        const slow = setTimeout(() => { status.textContent = "Searching\u2026"; }, 300), signal = asking.signal;
        fetch(dialog.dataset.live + "?q=" + encodeURIComponent(wanted), { signal, headers: { Accept: "application/json" }, credentials: "same-origin" })
          .then((answer) => { if (!answer.ok) throw new Error("not found"); return answer.json(); })
          .then((found) => {
            if (signal.aborted || found.query !== typed()) return;
            groups = found.groups; answered = wanted; draw();
            const n = groups.reduce((sum, group) => sum + group.hits.length, 0);
            status.textContent = n ? n + (n === 1 ? " result" : " results") : "Nothing found by that name, address or number.";
          })
          .catch(() => { if (!signal.aborted) status.textContent = "No answer from the server. Enter opens the search page."; })
          .finally(() => clearTimeout(slow));
      }, 120);
    }
    input.value = ""; status.textContent = ""; input.oninput = ask; draw(); dialog.showModal(); input.focus();
    dialog.onclose = () => { clearTimeout(pause); if (asking) asking.abort(); };
    dialog.onclick = (event) => { if (event.target.closest("a")) dialog.close(); };
    dialog.onkeydown = (event) => {
      const chosen = one("[aria-selected=true]", list), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Enter" && chosen) { event.preventDefault(); dialog.close(); chosen.click(); }
      if (step) { event.preventDefault(); here(step); }
    };
  }
  document.addEventListener("DOMContentLoaded", () => settle(document));
})();
