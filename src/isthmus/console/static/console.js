// What pages need beyond links and forms: dialogs, keys, and forms that survive the end of a session.
"use strict";
(() => {
  const typing = (element) => element.matches("input, textarea, select, [contenteditable]");

  // A form of the page (not of htmx) sends its token as a field; htmx sends it as a header. After signing in again the
  // token is still the one of this browser, so the page goes on as it was.
  document.addEventListener("htmx:afterSwap", (event) => {
    document.body.classList.remove("menu-open");
    for (const dialog of event.target.querySelectorAll?.("dialog[data-open]") ?? []) {
      if (!dialog.open) dialog.showModal();
    }
  });
  document.addEventListener("signed-in", () => {
    document.querySelector("#again").replaceChildren();
  });
  document.addEventListener("htmx:sendError", () => {
    const told = document.querySelector("#told");
    if (told) told.textContent = document.documentElement.lang === "en" ? "The hub cannot be reached." : "无法连接到中枢。";
  });

  // On a narrow window the menu is folded away.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".menu-button");
    if (!button) return;
    const open = document.body.classList.toggle("menu-open");
    button.setAttribute("aria-expanded", String(open));
  });
  document.addEventListener("click", (event) => {
    for (const details of document.querySelectorAll("details.who[open]")) {
      if (!details.contains(event.target)) details.open = false;
    }
  });

  // A page that could not be made looks again by itself.
  const again = document.querySelector("[data-reload]");
  if (again) setTimeout(() => location.reload(), Number(again.dataset.reload) * 1000);

  // Ticking a head ticks all of its rows.
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[data-all]")) {
      for (const box of event.target.form.querySelectorAll("input[name=entry]")) box.checked = event.target.checked;
    }
  });

  // A text with numbered lines; those in which something is wrong are marked.
  const number = (code) => {
    const text = code.querySelector("textarea"), gutter = code.querySelector(".gutter");
    const wrong = new Set([...document.querySelectorAll("[data-line]")].map((one) => Number(one.dataset.line)));
    const lines = text.value.split("\n").map((_, at) => {
      const line = document.createElement(wrong.has(at + 1) ? "b" : "span");
      line.textContent = String(at + 1);
      return line;
    });
    gutter.replaceChildren(...lines.flatMap((line) => [line, "\n"]));
    gutter.scrollTop = text.scrollTop;
  };
  const renumber = () => document.querySelectorAll("[data-lines]").forEach(number);
  document.addEventListener("input", (event) => { if (event.target.closest("[data-lines]")) renumber(); });
  document.addEventListener("scroll", (event) => {
    const code = event.target.closest?.("[data-lines]");
    if (code && event.target.matches("textarea")) code.querySelector(".gutter").scrollTop = event.target.scrollTop;
  }, true);
  document.addEventListener("htmx:afterSettle", renumber);
  document.addEventListener("click", (event) => {
    const fault = event.target.closest?.("[data-line]");
    const text = document.querySelector("[data-lines] textarea");
    if (!fault || !text) return;
    const before = text.value.split("\n").slice(0, Number(fault.dataset.line) - 1);
    const at = before.reduce((sum, line) => sum + line.length + 1, 0) + Number(fault.dataset.column) - 1;
    text.focus();
    text.setSelectionRange(at, at);
    text.scrollTop = Math.max(0, (before.length - 5) * (text.scrollHeight / text.value.split("\n").length));
  });
  renumber();

  // The record that is picked goes with every check from now on, also with one that begins before this one is answered.
  document.addEventListener("click", (event) => {
    const pick = event.target.closest?.("[data-pick]");
    if (!pick) return;
    document.querySelector("#record").value = pick.dataset.pick;
    for (const one of document.querySelectorAll("[data-pick]")) one.setAttribute("aria-pressed", String(one === pick));
  }, true);

  // Where a form has several buttons, the key in this field means the one beside it and not the first.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches?.("[data-enter]")) return;
    event.preventDefault();
    document.querySelector(event.target.dataset.enter)?.click();
  });

  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      document.body.classList.remove("menu-open");
      if (typing(event.target)) event.target.blur();
      return;
    }
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    if (going) {
      going = false;
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) location.assign(link.href);
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      document.querySelector("#find")?.focus();
    } else if (event.key === "g") {
      going = true;
      setTimeout(() => { going = false; }, 1500);
    } else if (event.key === "?") {
      document.querySelector("#keys")?.showModal();
    } else if (event.key === "j" || event.key === "k") {
      const rows = [...document.querySelectorAll("[data-row]")];
      const at = rows.indexOf(document.activeElement);
      const next = rows[event.key === "j" ? at + 1 : Math.max(at - 1, 0)];
      if (next) { event.preventDefault(); next.focus(); }
    }
  });
})();
