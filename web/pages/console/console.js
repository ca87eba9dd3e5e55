// The console: what a hub does now, for who has its key. This file opens the connection and shows one view at a time; the others are
// charts.js, table.js and views.js, and ask.js asks before anything is changed. The server's half is the Go package service/console.

import { find } from "/page.js";
import { connect } from "/tidewire.js";
import { showCharts } from "/console/charts.js";
import { showViews } from "/console/views.js";

const store = sessionStorage; // consoleKey: this tab's, and nowhere else
const [door, inside, alarm, refusal] = ["#door", "#inside", "#alarm", "#refusal"].map(find);
const words = { connecting: "Connecting…", open: "Connected", waiting: "Reconnecting…", closed: "Closed" };
let here = location.hash;

/** Connects with a key; what the server thinks of it comes as a state. */
function enter(key) {
  const tw = connect("/console/live", { token: () => key, fallback: false });
  let opened = false;
  const show = ({ phase, error, degraded }) => {
    Object.assign(find("#state"), { className: `pill ${phase}`, textContent: words[phase], title: error?.message ?? "" });
    if (phase === "open" && !opened) {
      opened = true;
      store.consoleKey = key;
      begin(tw);
    } else if (/^(unauthorized|rate|limit|invalid|sent-away)$/.test(error?.code)) {
      tw.close();
      leave(error.message, opened);
    } else if (phase === "waiting" && !opened) lookFor(tw);
  };
  tw.on("state", show);
  show(tw.state);
}

/** Nothing opens: is there a console at all? */
async function lookFor(tw) {
  const answer = await fetch("/console/live").catch(() => {});
  if (answer?.status !== 404) return refuse("The server cannot be reached. Trying again…");
  tw.close();
  refuse("This server has no console. It takes: tidewire serve --console-key-file FILE");
}

const refuse = (text) => ((refusal.textContent = text), (door.hidden = false));

/** Forgets the key, and begins anew. */
function leave(why, opened) {
  delete store.consoleKey;
  if (!opened) return refuse(why), find("#key").select();
  store.consoleRefusal = why;
  location.reload();
}

async function begin(tw) {
  const about = await tw.call("console.about", {});
  door.hidden = true;
  inside.hidden = false;
  document.body.classList.toggle("read-only", about.readOnly);
  find("#who").textContent = `This node, by ${about.key}${about.readOnly ? ", only to look" : ""}`;
  find("#forget").addEventListener("click", () => leave("", true));
  const charts = showCharts(tw, about, warn);
  const views = showViews(tw, about);
  const route = () => {
    const [, name, value] = /^#(\w+)=?(.*)$/.exec(location.hash) ?? [];
    const view = views[name] ? name : "charts";
    for (const link of document.querySelectorAll("nav a")) link.ariaCurrent = link.hash.startsWith(`#${view}`) ? "page" : null;
    for (const section of inside.querySelectorAll(":scope > section")) section.hidden = section.id !== `${view}-view`;
    Object.keys(views).forEach((one) => one === view || views[one].hide());
    charts.shown(view === "charts");
    views[view]?.show(decodeURIComponent(value ?? ""));
    if (here !== location.hash) scrollTo(0, 0);
    here = location.hash;
  };
  addEventListener("hashchange", route);
  route();
}

/** Says what is wrong with the hub, in one line above all views. */
function warn({ degraded, draining, healing }) {
  const text = [
    draining && "Draining: this node lets nobody in any more, and sends its sessions elsewhere.",
    degraded && "Degraded: messages cannot be stored.",
    healing && `${healing} room${healing > 1 ? "s are" : " is"} reading what may have been missed.`,
  ].filter(Boolean).join(" ");
  if (alarm.textContent !== text) Object.assign(alarm, { textContent: text, hidden: !text });
}

door.addEventListener("submit", (event) => {
  event.preventDefault();
  refusal.textContent = "";
  enter(find("#key").value.trim());
});
if (store.consoleKey) enter(store.consoleKey);
else refuse(store.consoleRefusal ?? "");
delete store.consoleRefusal;
