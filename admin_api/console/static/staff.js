// What a browser can do besides: the screens say and do the same without it.
"use strict";

// A confirmation opens over the screen instead of on one of its own.
for (const link of document.querySelectorAll("a[data-dialog]")) {
  const dialog = document.getElementById(link.dataset.dialog);
  if (!dialog || !dialog.showModal) continue;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
    dialog.querySelector("input[type=text], input:not([type=hidden])")?.focus();
  });
  dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => link.focus());
}

// On a desk the menu and the filters are always open, on a telephone they are drawers.
const wide = matchMedia("(min-width: 62rem)");
for (const drawer of document.querySelectorAll("#drawer, [data-open-wide]")) {
  const asked = drawer.open;
  const settle = () => { drawer.open = wide.matches || asked; };
  wide.addEventListener("change", settle);
  settle();
}
