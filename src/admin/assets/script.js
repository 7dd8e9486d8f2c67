// What is nicer with a script: pages that renew themselves, a filter while typing, the choice of light or dark. Everything works without it.
"use strict";

(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  const keep = (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // A browser that keeps nothing shows what the system says.
    }
  };

  // Before anything is drawn.
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  const chooseTheme = () => {
    const button = document.querySelector("[data-choose-theme]");
    if (!button) return;
    const name = () => (button.textContent = isDark() ? "Light" : "Dark");
    button.hidden = false;
    name();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      keep("theme", root.dataset.theme);
      name();
    });
  };

  const filter = () => {
    const field = document.querySelector("[data-filter]");
    const rows = document.querySelectorAll("[data-live] tbody tr");
    if (!field) return;
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    const told = document.querySelector("[data-filtered]");
    if (told) told.textContent = words.length ? `${shown} of ${rows.length} shown` : "";
  };

  const renew = () => {
    const live = document.querySelector("[data-live]");
    const button = document.querySelector("[data-pause]");
    if (!live || !button) return;
    const seconds = Number(live.dataset.live);
    let paused = kept("paused") === "yes";
    const name = () => (button.textContent = paused ? "Resume updates" : "Pause updates");
    button.hidden = false;
    name();
    button.addEventListener("click", () => {
      paused = !paused;
      keep("paused", paused ? "yes" : "no");
      name();
    });
    // What somebody is at (a link, something that is unfolded) is not taken from under him.
    const isBusy = () => paused || document.hidden || live.contains(document.activeElement) || live.querySelector("details[open]");
    const once = async () => {
      if (isBusy()) return;
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error", cache: "no-store" });
      if (!answer.ok || isBusy()) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-live]");
      if (next) {
        live.replaceChildren(...next.childNodes);
        filter();
      }
    };
    const again = () => setTimeout(() => once().catch(() => {}).finally(again), seconds * 1000);
    again();
  };

  document.addEventListener("DOMContentLoaded", () => {
    chooseTheme();
    const field = document.querySelector("[data-filter]");
    if (field) {
      document.querySelector("[data-filter-of]").hidden = false;
      field.addEventListener("input", filter);
    }
    renew();
    root.dataset.ready = "yes";
  });
})();
