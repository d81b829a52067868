// The player, and what stands around it: speed, pauses, the wall clock, and marks that lead to their moment.
const place = document.getElementById("player");
const speed = document.getElementById("speed");
const pauses = document.getElementById("pauses");
const clock = document.getElementById("clock");
const waits = document.getElementById("waits");
const base = place.dataset.base;
const wall = new Intl.DateTimeFormat(document.documentElement.lang === "fr" ? "fr-FR" : "en-GB", {
  timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const PAUSE = 2;
let cuts = null;
let player = null;
let playing = false;
let moment = Number(place.dataset.start) || 0;

const lookUp = async () => {
  if (cuts) return;
  const answer = await fetch(base + "pauses.json");
  if (!answer.ok) throw new Error(String(answer.status));
  cuts = (await answer.json()).cuts;
};
// Where a moment of the session is in the player's time, and back.
const before = (at, time) => {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(cuts[middle]) <= at) low = middle + 1; else high = middle;
  }
  return low;
};
const toPlayer = (at) => {
  if (!pauses.checked) return at;
  const found = before(at, (cut) => cut[0]);
  const cut = found ? cuts[found - 1][1] : 0;
  if (found < cuts.length) {
    const begun = cuts[found][0] - (cuts[found][1] - cut) - PAUSE;
    if (at > begun + PAUSE) return begun + PAUSE - cut;
  }
  return at - cut;
};
const toSession = (at) => {
  if (!pauses.checked || !cuts) return at;
  const found = before(at, (cut) => cut[0] - cut[1]);
  return at + (found ? cuts[found - 1][1] : 0);
};

const say = (text) => {
  place.replaceChildren(Object.assign(document.createElement("p"), { className: "failed", textContent: text }));
};

// The player says nothing while a piece is on its way: far ahead in a recording that is not indexed yet, its picture has
// to be drawn first, and whoever goes there is told so.
const ask = window.fetch;
let asked = 0;
window.fetch = async (...what) => {
  asked += 1;
  const late = setTimeout(() => { waits.textContent = place.dataset.waits; }, 300);
  try {
    return await ask(...what);
  } finally {
    clearTimeout(late);
    asked -= 1;
    if (!asked) waits.textContent = "";
  }
};

// A piece whose picture is not drawn yet is asked for again; what is broken stays so. Where the page itself would be
// refused by now (signed out, the reader's key locked again), it is asked for: it says why, and what to do. Where nothing
// of the recording comes at all, nothing is being prepared: the console or the store does not answer.
let tries = 0;
const failed = async () => {
  const answer = await ask(base + "pauses.json").catch(() => null);
  if (answer && (answer.redirected || (answer.status >= 400 && answer.status < 500))) {
    location.reload();
    return;
  }
  const again = tries < 10;
  tries += 1;
  say(again ? (answer?.ok ? place.dataset.waits : place.dataset.away) : place.dataset.failed);
  if (again) setTimeout(() => build(moment, playing), 4000);
};

const build = async (at, play) => {
  try {
    if (pauses.checked) await lookUp();
  } catch {
    await failed();
    return;
  }
  const start = toPlayer(at);
  if (player) player.dispose();
  place.replaceChildren();
  player = AsciinemaPlayer.create(
    { url: base + "index.json" + (pauses.checked ? "?pauses=short" : ""), format: "segmented" },
    place,
    {
      startAt: start, poster: `npt:${start}`, preload: true, autoPlay: play, speed: Number(speed.value),
      fit: "width", controls: true, theme: "auto/asciinema", terminalLineHeight: 1.3,
    },
  );
  player.addEventListener("error", failed);
  player.addEventListener("play", () => { playing = true; });
  player.addEventListener("pause", () => { playing = false; });
  player.addEventListener("ended", () => { playing = false; });
};

const now = async () => {
  const at = player ? await player.getCurrentTime() : 0;
  return toSession(Number(at) || 0);
};
const rebuild = () => build(moment, playing);

const tick = async () => {
  try {
    moment = await now();
  } catch {
    return; // it is being made
  }
  clock.textContent = wall.format(new Date((Number(clock.dataset.opened) + moment) * 1000));
  let last = null;
  for (const link of document.querySelectorAll(".moments a[data-at]")) {
    link.removeAttribute("aria-current");
    if (Number(link.dataset.at) <= moment + 0.05) last = link;
  }
  if (last) last.setAttribute("aria-current", "true");
};

const go = async (at) => {
  moment = at;
  if (pauses.checked) await lookUp();
  await player.seek(toPlayer(at));
  await tick();
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-at]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !player) return;
  event.preventDefault();
  history.replaceState(null, "", link.getAttribute("href"));
  go(Number(link.dataset.at));
});
speed.addEventListener("change", rebuild);
pauses.addEventListener("change", () => {
  const wanted = pauses.checked;
  pauses.checked = !wanted; // the moment is told in the time that still plays
  tick().then(async () => { pauses.checked = wanted; await rebuild(); });
});

if (typeof AsciinemaPlayer === "undefined") {
  say(place.dataset.failed);
} else {
  await build(moment, false);
  setInterval(tick, 500);
}
