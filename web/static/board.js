/* The board: dragging a card to a stage, keys, and the line that asks why. Each move is the card's own form, sent with
   what was chosen; the card goes to its place at once and the server's board replaces it. Delegated on document, since
   pages are swapped. Nothing is stored. */
(function () {
  "use strict";
  const one = (selector, root) => (root || document).querySelector(selector);
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const typing = (el) => !!el && (el.matches("input:not([type=checkbox]):not([type=radio]), textarea, select") || el.isContentEditable);
  let held = null;      // the id of the card the keys are on
  let undo = null;      // how to put a card back that was moved before the server said so
  let left = null;      // the stage a card was just moved out of: focus follows the card, or stays there
  let asking = null;    // the card the line below asks about, and the stage once it is chosen

  const board = () => one("#board");
  const cards = (root) => all("[data-card]", root);
  const linkOf = (card) => one("[data-card-link]", card);
  const columns = () => all("[data-cards]").map((list) => cards(list));
  function current() {
    const active = document.activeElement && document.activeElement.closest("[data-card]");
    return active || (held && one('[data-card="' + held + '"]')) || one("[data-card]");
  }
  function focus(card) {
    held = card.dataset.card;
    linkOf(card).focus();
    card.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /* --- moving ------------------------------------------------------------------------------------------------- */
  function send(card, place, reason) {
    const form = one("[data-mover]", card), list = one("[data-cards]", place), parent = card.parentNode, next = card.nextSibling;
    form.elements.stage.value = place.dataset.drop;
    form.elements.reason.value = reason || "";
    held = card.dataset.card;
    left = card.dataset.stage;
    undo = () => { parent.insertBefore(card, next); card.hidden = false; };
    if (list) list.prepend(card); else card.hidden = true;
    form.requestSubmit();
  }
  function move(card, place) {
    if (!card || !place || place.dataset.drop === card.dataset.stage) return;
    if (place.dataset.kind === "open") send(card, place, ""); else why(card, place);
  }

  /* --- the line that asks: to which stage, and why ------------------------------------------------------------ */
  function show(title, part) {
    const line = one("#ask");
    one("[data-ask-title]", line).textContent = title;
    one("[data-ask-stages]", line).hidden = part !== "stages";
    one("[data-ask-reason]", line).hidden = part !== "reason";
    line.hidden = false;
    return line;
  }
  function where(card) {
    asking = { card: card, place: null };
    one("[data-to]", show("Move " + linkOf(card).textContent.trim() + " to", "stages")).focus();
  }
  function why(card, place) {
    asking = { card: card, place: place };
    const input = one("#ask-why", show(place.dataset.name + ": " + linkOf(card).textContent.trim(), "reason"));
    input.value = "";
    input.focus();
  }
  function stop() {
    const line = one("#ask"), card = asking && asking.card;
    asking = null;
    if (line) line.hidden = true;
    if (card && card.isConnected) focus(card);
  }
  function choose(id) {
    const card = asking && asking.card, place = one('[data-drop="' + id + '"]');
    one("#ask").hidden = true;
    asking = null;
    if (place && card && place.dataset.drop === card.dataset.stage) focus(card);
    move(card, place);
  }
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-ask-reason]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const asked = asking, reason = one("#ask-why").value;
    one("#ask").hidden = true;
    asking = null;
    if (asked && asked.place) send(asked.card, asked.place, reason);
  }, true);
  document.addEventListener("click", (event) => {
    const to = event.target.closest("#ask [data-to]");
    if (to) choose(to.dataset.to);
    if (event.target.closest("[data-ask-cancel]")) stop();
    if (event.target.closest("[data-panel-close]")) shut();
  });

  /* --- the side panel ----------------------------------------------------------------------------------------- */
  function shut() {
    const panel = one("#panel"), card = current();
    if (panel) panel.replaceChildren();
    if (card) focus(card);
  }
  document.addEventListener("htmx:afterSettle", (event) => {
    const target = event.detail && event.detail.target;
    if (target && target.id === "panel") { const title = one("[data-panel-title]", target); if (title) title.focus(); return; }
    undo = null;
    const wrong = one("[data-value] [aria-invalid]");
    if (wrong) wrong.focus();
    else if (board() && held && (left || [null, "", "main"].includes(document.activeElement && document.activeElement.id))) {
      const card = one('[data-card="' + held + '"]') || (left && one('[data-drop="' + left + '"] [data-card]'));
      if (card) focus(card);
    }
    left = null;
  });
  ["htmx:sendError", "htmx:timeout", "htmx:responseError"].forEach((kind) => document.addEventListener(kind, () => { left = null; if (undo) { undo(); undo = null; } }));
  document.addEventListener("focusin", (event) => { const card = event.target.closest("[data-card]"); if (card) held = card.dataset.card; });

  /* --- dragging ----------------------------------------------------------------------------------------------- */
  let dragged = null;
  const clear = () => all(".over").forEach((el) => el.classList.remove("over"));
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest && event.target.closest("[data-card]");
    if (!dragged) return;
    event.dataTransfer.setData("text/plain", dragged.dataset.card);
    event.dataTransfer.effectAllowed = "move";
    dragged.classList.add("dragging");
  });
  document.addEventListener("dragover", (event) => {
    const place = dragged && event.target.closest("[data-drop]");
    clear();
    if (!place) return;
    event.preventDefault();
    place.classList.add("over");
  });
  document.addEventListener("drop", (event) => {
    const place = dragged && event.target.closest("[data-drop]"), card = dragged;
    clear();
    if (!place) return;
    event.preventDefault();
    move(card, place);
  });
  document.addEventListener("dragend", () => { clear(); if (dragged) dragged.classList.remove("dragging"); dragged = null; });

  /* --- keys: before the page's own, which know of lists only --------------------------------------------------- */
  const STEPS = { ArrowDown: [0, 1], ArrowUp: [0, -1], j: [0, 1], k: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
  function walk(step) {
    const rows = columns(), card = current();
    if (!card) return;
    let x = rows.findIndex((list) => list.includes(card)), y = x < 0 ? 0 : rows[x].indexOf(card);
    const fresh = !document.activeElement || !document.activeElement.closest("[data-card]");
    if (!fresh && step[0]) { do { x += step[0]; } while (rows[x] && !rows[x].length); y = rows[x] ? Math.min(y, rows[x].length - 1) : 0; }
    if (!fresh && step[1]) y += step[1];
    const next = rows[x] && rows[x][y];
    if (next) focus(next);
  }
  function act(key) {
    const card = current();
    if (!card) return false;
    if (key === "m") { where(card); return true; }
    if (key === "e") {
      const value = one("[data-value]", card), input = one("input[name=value]", value);
      value.open = true; held = card.dataset.card; input.focus(); input.select(); return true;
    }
    if (key === "Enter") { linkOf(card).click(); return true; }
    if (STEPS[key]) { walk(STEPS[key]); return true; }
    return false;
  }
  document.addEventListener("keydown", (event) => {
    if (!board() || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    const active = document.activeElement, handled = () => { event.preventDefault(); event.stopImmediatePropagation(); };
    if (event.key === "Escape") {
      const open = active && active.closest("[data-value][open], .mover[open]");
      if (asking) { stop(); handled(); }
      else if (open) { open.open = false; focus(open.closest("[data-card]")); handled(); }
      else if (one("#panel") && one("#panel").childElementCount) { shut(); handled(); }
      return;
    }
    if (typing(active)) return;
    if (asking && !asking.place) {
      const button = all("#ask [data-to]")[Number(event.key) - 1];
      if (button) choose(button.dataset.to);
      if (event.key.length === 1 && event.key !== " ") handled();
      return;
    }
    if (event.key === "Enter" && active && active.matches("a, button, summary")) return;
    if (one("#panel") && one("#panel").contains(active) && event.key !== "m") return;
    if (act(event.key)) handled();
  }, true);
})();
