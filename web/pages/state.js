// Showing the state of a connection: a coloured pill, and one button that does
// what makes sense in that state.

const words = {
  connecting: "Connecting…",
  open: "Open",
  waiting: "Waiting",
  closed: "Closed",
};

const actions = {
  connecting: "Disconnect",
  open: "Disconnect",
  waiting: "Try now",
  closed: "Connect",
};

// What the close codes of RFC 6455, section 7.4.1, mean to a person.
const codes = {
  1000: "closed normally",
  1001: "the server is going away",
  1002: "protocol error",
  1003: "the server takes no such data",
  1005: "closed without a code",
  1006: "the connection was lost",
  1007: "the data was not valid",
  1008: "the server's rules were broken",
  1009: "the message was too big",
  1011: "the server failed",
  1012: "the server is restarting",
  1013: "the server is busy",
};

// explain puts why a connection ended into words, with its code.
export function explain(why) {
  if (!why) return "you closed it";
  const meaning = why.reason || codes[why.code] || "closed";
  return why.code ? `${meaning} (${why.code})` : meaning;
}

// StateView drives the elements inside root: .pill, .countdown and .action.
export class StateView {
  #root;
  #socket;
  #ticker = null;

  constructor(root, socket) {
    this.#root = root;
    this.#socket = socket;
    root.querySelector(".action").addEventListener("click", () => {
      const { name } = socket.state;
      if (name === "open" || name === "connecting") socket.close();
      else socket.open();
    });
    this.show(socket.state);
  }

  show(state) {
    const [pill, action] = [".pill", ".action"].map((s) => this.#root.querySelector(s));
    this.#root.dataset.state = state.name;
    pill.textContent = words[state.name];
    pill.title = state.why ? explain(state.why) : "";
    action.textContent = actions[state.name];
    action.classList.toggle("primary", state.name === "closed" || state.name === "waiting");
    clearInterval(this.#ticker);
    this.#tick();
    if (state.name === "waiting") this.#ticker = setInterval(() => this.#tick(), 100);
  }

  // The count of seconds is its own element, hidden from screen readers: they
  // hear each change of state once, and not a number that changes all the time.
  #tick() {
    const { name, until } = this.#socket.state;
    const left = Math.max(0, until - performance.now()) / 1000;
    this.#root.querySelector(".countdown").textContent =
      name === "waiting" ? `${left < 10 ? left.toFixed(1) : Math.round(left)} s` : "";
  }
}
