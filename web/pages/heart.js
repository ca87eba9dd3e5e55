// Showing that the server is alive: a heart that beats, and how long ago it last
// said anything.

export class Heart {
  #icon;

  constructor(root, room) {
    this.#icon = root.querySelector(".heart");
    const words = root.querySelector(".beats");
    // By the clock, because a hidden tab's timers are slow.
    setInterval(() => {
      const silence = room.silence();
      if (room.socket.state.name !== "open") words.textContent = "no heartbeat";
      else words.textContent = silence < 1500 ? "heartbeat now" : `heartbeat ${Math.round(silence / 1000)} s ago`;
    }, 500);
  }

  beat() {
    this.#icon.classList.remove("beat");
    void this.#icon.offsetWidth; // so that the animation starts anew
    this.#icon.classList.add("beat");
  }
}
