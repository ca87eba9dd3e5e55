// The page: two demos, each with its own connection.

import { startChat } from "./chat.js";
import { startEcho } from "./echo.js";
import { address } from "./socket.js";

// /?room=tea is another room than /, which is the lobby.
const room = new URLSearchParams(location.search).get("room") || "lobby";
document.querySelector(".room").textContent = `room:${room}`;
const chat = startChat(document.querySelector("#chat"), `room:${room}`);
const echo = startEcho(document.querySelector("#echo"));
const sockets = [chat.socket, echo];
for (const socket of sockets) socket.open();

document.querySelector(".address").prepend(address(""), document.createElement("wbr"));

// The network is back: no reason to wait any longer.
addEventListener("online", () => {
  for (const socket of sockets) if (socket.state.name === "waiting") socket.open();
});

// A page that the browser puts aside for the Back button says goodbye, and comes
// back with it.
let aside = [];
addEventListener("pagehide", () => {
  aside = sockets.filter((socket) => socket.state.name !== "closed");
  for (const socket of aside) socket.close();
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) for (const socket of aside) socket.open();
});

// Leaving with unsent messages needs a second thought.
addEventListener("beforeunload", (event) => {
  if (chat.unsent() > 0) event.preventDefault();
});

// On a narrow screen one demo shows at a time; the links at the top choose.
function showView() {
  const view = location.hash === "#echo" ? "echo" : "chat";
  document.body.dataset.view = view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.ariaCurrent = "page";
    else link.removeAttribute("aria-current");
  }
}
addEventListener("hashchange", showView);
showView();
