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
  document.addEventListener("htmx:beforeSwap", () => { all("[data-keep-scroll]").forEach((el) => { kept[el.id] = el.scrollTop; }); });
  document.addEventListener("htmx:afterSettle", (event) => {
    settle(document);
    all("[data-keep-scroll]").forEach((el) => { if (el.id in kept) el.scrollTop = kept[el.id]; });
    if (event.detail && event.detail.boosted && !typing(document.activeElement)) { const main = one("main"); if (main) main.focus({ preventScroll: true }); }
  });
  document.addEventListener("htmx:sendError", () => say("No connection to the server. Nothing was changed; try again."));
  document.addEventListener("htmx:timeout", () => say("The server took too long. Look before you try again."));
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-decides]")) { const row = one("[data-rows] [data-row][aria-current]"); if (row) row.classList.add("leaving"); }
    if (event.submitter && event.target.matches("[data-once]")) setTimeout(() => { event.submitter.disabled = true; }, 0);
  });

  /* --- palette: the links of the page plus search ------------------------------------------------------------- */
  function openPalette() {
    const dialog = one("#palette");
    if (!dialog || dialog.open) return;
    const input = one("input", dialog), list = one("ul", dialog);
    const links = all(".nav a.item, [data-command]").map((a) => ({ text: a.dataset.command || a.firstChild.textContent.trim(), href: a.href, key: (a.dataset.key || "").split("|")[0] }));
    const draw = () => {
      const wanted = input.value.trim().toLowerCase();
      const found = links.filter((link) => link.text.toLowerCase().includes(wanted));
      if (wanted) found.push({ text: "Search for \u201c" + input.value.trim() + "\u201d", href: dialog.dataset.search + "?q=" + encodeURIComponent(input.value.trim()), key: "" });
      list.replaceChildren(...found.map((link, i) => {
        const item = document.createElement("li"), a = document.createElement("a"), words = document.createElement("span");
        a.href = link.href; words.textContent = link.text; a.append(words);
        if (link.key) { const key = document.createElement("kbd"); key.textContent = link.key; a.append(key); }
        if (i === 0) a.className = "here";
        item.append(a); return item;
      }));
    };
    input.value = ""; input.oninput = draw; draw(); dialog.showModal(); input.focus();
    dialog.onkeydown = (event) => {
      const items = all("a", list), at = items.findIndex((a) => a.classList.contains("here"));
      if (event.key === "Enter" && items[at]) { event.preventDefault(); dialog.close(); items[at].click(); }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && items.length) { event.preventDefault(); items[at].classList.remove("here"); items[(at + step + items.length) % items.length].classList.add("here"); }
    };
  }
  document.addEventListener("DOMContentLoaded", () => settle(document));
})();
