// Who is in a room, as the server last said.

export class Crowd {
  version = 0;
  members; // by session; undefined: not known, or only counted
  count; // where there is no more
  asking; // the question for a snapshot that is under way

  constructor(room) {
    this.room = room;
  }

  present() {
    const members = [...(this.members?.values() ?? [])];
    const key = ({ user, session }) => `${user}\0${session}`;
    members.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    const users = new Set(members.map((m) => m.user || m)); // each stranger is one
    return { users: users.size, sessions: members.length, ...this.count, members };
  }

  /** Takes a $presence, or the reply to one. */
  take(link, { version, users, count, join = [], leave = [] }) {
    if (users || count) {
      this.members = users && new Map();
      this.count = count;
      for (const { user, sessions } of users ?? []) for (const s of sessions) this.add({ user, ...s });
    } else if (this.asking || version <= this.version) {
      return; // a snapshot says it, or has said it
    } else if (!this.members || version > this.version + 1) {
      return this.ask(link);
    } else {
      for (const { session } of leave) this.members.delete(session);
      for (const member of join) this.add(member);
    }
    this.version = version;
    this.room.emit("$presence", this.present());
  }

  add({ user = "", session, info }) {
    this.members.set(session, { user, session, info });
  }

  ask(link) {
    const mine = (this.asking = {});
    link.ask({ type: "$presence", room: this.room.name }, (m) => {
      if (this.asking !== mine) return; // the room was joined anew, or left
      this.asking = undefined;
      if (m?.type === "$ok") this.take(link, m.data);
    });
  }
}
