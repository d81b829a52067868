// What a browser can do besides: the pages say and do the same without it.
"use strict";

// How strong a password looks while it is typed; the server judges it once it is sent.
for (const field of document.querySelectorAll("[data-meter]")) {
  const meter = document.getElementById(field.dataset.meter);
  const grade = (text) => {
    const length = Array.from(text).length;
    const different = new Set(text.toLowerCase()).size;
    if (length < 12) return "short";
    if (different < 6) return "weak";
    const words = text.split(/[\s\-_.,;]+/).filter((word) => word.length > 2).length;
    const worth = Math.min(length, different * 2) + words * 2;
    if (worth < 18) return "weak";
    if (worth < 24) return "fair";
    return worth < 30 ? "good" : "strong";
  };
  field.addEventListener("input", () => {
    const found = grade(field.value);
    meter.hidden = field.value === "";
    meter.className = "meter " + found;
    meter.querySelector(".verdict").textContent = meter.dataset[found];
  });
}

for (const box of document.querySelectorAll("[data-reveal]")) {
  box.closest("p").hidden = false;
  box.addEventListener("change", () => {
    for (const name of box.dataset.reveal.split(" ")) {
      document.getElementById(name).type = box.checked ? "text" : "password";
    }
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.closest("p").hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.copied;
  });
}

const waiting = document.getElementById("waiting");
if (waiting) {
  const look = async () => {
    try {
      const answer = await fetch(waiting.dataset.state, { credentials: "same-origin", cache: "no-store" });
      if (answer.ok && (await answer.json()).connected) {
        location.reload();
        return;
      }
      if (answer.status === 401) return;
    } catch {
      // the network may come back: look again later
    }
    setTimeout(look, 3000);
  };
  setTimeout(look, 3000);
}
