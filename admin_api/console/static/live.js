// A live session: the player reads a WebSocket, and what is said beside the picture is shown beside it.
const place = document.getElementById("player");
const state = document.getElementById("state");
const from = document.getElementById("from");
const channel = document.getElementById("channel");
const end = document.getElementById("end");
const cut = document.querySelector("main a[data-dialog=cut]");
let player = null;
let turn = 0;

const tell = (what) => {
  state.textContent = state.dataset[what];
  state.dataset.is = what;
};

const list = (told) => {
  for (const one of [...channel.options].slice(1)) one.remove();
  for (const one of told.channels) {
    const asked = one.request === "shell" ? channel.dataset.shell : one.request;
    const text = `${one.number} · ${one.command || asked || "…"}${one.open ? "" : " " + channel.dataset.over}`;
    channel.add(new Option(text, String(one.number), false, String(one.number) === wanted));
  }
};

const over = (sentence) => {
  tell("ended");
  end.querySelector("span").textContent = sentence;
  end.hidden = false;
};

const said = (told) => {
  switch (told.type) {
    case "channels": list(told); break;
    case "screen": if (told.skipped) tell("skipped"); break;
    case "live": case "back": tell("live"); break;
    case "waiting": tell("waiting"); break;
    case "end":
      if (told.why === "ended") cut?.setAttribute("hidden", "");  // there is nothing left to cut
      over(told.sentence);
      break;
    default: if (state.dataset.is === "skipped") tell("live");
  }
};

// The player takes binary messages; those in words are for this page. The ticket goes with the protocols: no log has those.
let ticket = "";
class Line extends WebSocket {
  constructor(url, protocols) {
    super(url, [...[protocols ?? []].flat(), `ticket.${ticket}`]);
  }
  set onmessage(heard) {
    super.onmessage = (event) => {
      if (typeof event.data === "string") said(JSON.parse(event.data)); else heard(event);
    };
  }
  set onclose(heard) {
    super.onclose = (event) => {
      if (event.code < 4000 && end.hidden) over(event.reason || state.dataset.ended);
      heard(event);
    };
  }
}
window.WebSocket = Line;

let wanted = "";
const follow = async () => {
  turn += 1;
  const mine = turn;
  if (player) player.dispose();
  player = null;
  place.replaceChildren();
  end.hidden = true;
  tell("begins");
  const answer = await fetch(place.dataset.base + "ticket", {
    method: "POST", redirect: "error", body: new URLSearchParams({ form_token: place.dataset.token }),
  });
  if (!answer.ok) throw new Error(String(answer.status));
  const given = (await answer.json()).ticket;
  if (mine !== turn) return;
  ticket = given;
  const asked = new URLSearchParams({ from: from.value });
  if (wanted) asked.set("channel", wanted);
  if (from.value === "start") tell("past");
  player = AsciinemaPlayer.create(
    { driver: "websocket", url: `wss://${location.host}${place.dataset.base}stream?${asked}`, bufferTime: 0 },
    place,
    { autoPlay: true, fit: "width", controls: "auto", theme: "auto/asciinema", terminalLineHeight: 1.3 },
  );
};
const begin = () => follow().catch(() => over(place.dataset.failed));

from.addEventListener("change", begin);
channel.addEventListener("change", () => { wanted = channel.value; begin(); });
document.getElementById("again").addEventListener("click", begin);

if (typeof AsciinemaPlayer === "undefined") over(place.dataset.failed); else begin();
