// Video: a call between two tabs. The room carries what the browsers must tell each other first; the pictures go past it.

import { find, open } from "/page.js";

const buttons = { audio: find("#microphone"), video: find("#camera") };
const no = { NotAllowedError: "not allowed", NotFoundError: "not found", NotReadableError: "in use", TypeError: "only by https and on localhost" };
let [call, seen] = [null, []]; // the connection to the other one; who was in the room when we looked last

/** Asks for camera and microphone, then for one of them. Without both we still see and hear. */
async function openDevices() {
  for (const wanted of [{ audio: true, video: true }, { video: true }, { audio: true }]) {
    try {
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch ({ name, message }) {
      find("#note").textContent = `Camera or microphone: ${no[name] ?? message}. The call works with what there is.`;
    }
  }
  find("#remote").muted = true; // a page that does not record may only play without sound, until somebody turns that on
  return new MediaStream();
}

/** Shows which of our devices are on, and tells the other one. */
function showDevices() {
  const on = stream.getTracks().filter((track) => track.enabled && track.readyState === "live").map(({ kind }) => kind);
  for (const { kind } of stream.getTracks()) Object.assign(buttons[kind], { disabled: false, ariaPressed: on.includes(kind) });
  if (call?.channel.readyState === "open") call.channel.send(on.join());
}

/** Returns the connection to somebody else, a new one if need be. Both ends offer what they send whenever it changes. */
function meet({ from, name }) {
  if (from === tw.state.session) return;
  if (from === call?.from) return call;
  part();
  const pc = new RTCPeerConnection({ iceServers: [] }); // across the internet it takes STUN and TURN servers
  const channel = pc.createDataChannel("on", { negotiated: true, id: 0 });
  const c = (call = { pc, channel, from, name, polite: tw.state.session < from, last: Promise.resolve() }); // one of the two is polite
  const failed = ({ message }) => c === call && !c.ignores && show(message);
  c.tell = (signal) => room.send("signal", { to: from, ...signal }).catch(failed);
  c.hear = (signal) => (c.last = c.last.then(() => take(c, signal)).catch(failed));
  channel.onopen = showDevices;
  channel.onmessage = ({ data }) => Object.keys(buttons).forEach((kind) => (find(`#no-${kind}`).hidden = String(data).includes(kind)));
  pc.onnegotiationneeded = () => describe(c).catch(failed);
  pc.onicecandidate = ({ candidate }) => candidate && c.tell({ candidate });
  pc.ontrack = ({ streams }) => (find("#remote").srcObject = streams[0]);
  pc.onconnectionstatechange = () => (pc.connectionState === "failed" ? pc.restartIce() : show());
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  return c;
}

async function describe(c) {
  c.describes = true;
  await c.pc.setLocalDescription(); // an offer, or the answer to one
  c.describes = false;
  c.tell({ description: c.pc.localDescription });
}

/** Takes a signal. Where two offers cross, the polite end takes its own back, and the other one does not listen. */
async function take(c, { description, candidate }) {
  if (candidate) return c.pc.addIceCandidate(candidate);
  const offered = description.type === "offer";
  c.ignores = offered && !c.polite && (c.describes || c.pc.signalingState !== "stable");
  if (c.ignores) return;
  await c.pc.setRemoteDescription(description);
  if (offered) await describe(c);
}

function part() {
  call?.pc.close();
  call = find("#remote").srcObject = null;
}

function show(text) {
  const state = (find("#them").className = call?.pc.connectionState ?? "");
  find("#call").textContent = text ?? (call ? `${state === "connected" ? "In a call with" : "Connecting to"} ${call.name}` : "Nobody else is here yet");
}

function refused({ code, message }) {
  if (code === "closed") return; // by us
  part();
  show(code === "video.full" ? "This call is full: two are in it. You come in when one of them leaves" : message);
  if (code === "video.full") setTimeout(() => room.join().catch(refused), 2000);
}

function hangUp() {
  tw.close();
  part();
  for (const track of stream.getTracks()) track.stop();
  show("You hung up");
}

const stream = (find("#local").srcObject = await openDevices());
for (const track of stream.getTracks()) buttons[track.kind].addEventListener("click", () => ((track.enabled = !track.enabled), showDevices()));
for (const track of stream.getTracks()) track.addEventListener("ended", showDevices);
showDevices();
find("#hang-up").addEventListener("click", hangUp);
addEventListener("pagehide", hangUp); // before the client hears of it: so the other one sees us go at once
const tw = open();
const title = new URLSearchParams(location.search).get("room") || "lobby";
const room = tw.room(`video:${encodeURIComponent(title).replaceAll("*", "%2A").slice(0, 120)}`, { presence: true }); // it may hold no spaces and no stars
room.on("$live", () => (part(), room.cast("hello", {})));
room.on("hello", meet);
room.on("signal", (signal) => meet(signal)?.hear(signal));
room.on("$presence", ({ members }) => {
  const now = members.map(({ session }) => session);
  if (seen.includes(call?.from) && !now.includes(call.from)) part();
  seen = now;
  show();
});
room.on("$left", refused);
room.join().catch(refused);
