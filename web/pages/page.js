// What the pages of the gallery share: the connection and its state, who we are, and making pieces of a page.

import { connect } from "/tidewire.js";

export const find = (selector) => document.querySelector(selector);

/** Makes <tag class="…">children</tag>. A child is a node, or a text that stays text: nothing here parses HTML. */
export function element(tag, className = "", ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

const any = (words) => words.split(" ")[Math.floor(Math.random() * 12)];

/** Who we are, in this tab: a name, until somebody types another one, and a secret, by which the server knows us again. */
export const guest = sessionStorage;
guest.name ||= `${any("Amber Brisk Calm Early Fair Gentle Hazel Ivory Keen Merry Noble Quiet")} ${any("Auk Crab Dunlin Eider Fulmar Gannet Heron Ibis Marlin Otter Petrel Tern")}`;
guest.secret ||= crypto.getRandomValues(new Uint32Array(4)).join("-");

/** The colour of a name, an angle: the same in every tab. */
export const hue = (name) => [...name].reduce((n, c) => (n * 31 + c.codePointAt(0)) % 360, 7);

const words = { connecting: "Connecting…", open: "Connected", waiting: "Reconnecting…", closed: "Closed" };

/** Connects to the gallery's hub under our name, and shows how that is in the page's #state. */
export function open(options) {
  const tw = connect("/live", { token: () => `${encodeURIComponent(guest.name)}:${guest.secret}`, ...options });
  const show = ({ phase, error }) => Object.assign(find("#state"), { className: `pill ${phase}`, textContent: words[phase], title: error?.message ?? "" });
  tw.on("state", show);
  show(tw.state);
  return tw;
}
