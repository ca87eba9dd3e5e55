// Package natsbroker is a live.Broker on NATS JetStream: rooms that outlive the process, and nodes that share them.
//
// [StartServer] runs the NATS server within the process, on a folder; [Server.Connect] is the broker on it. [Connect] is
// the broker on servers that run elsewhere, which any number of nodes may share.
//
// # What is where
//
// Each pattern with a history, or with values under Latest, has a group of streams of its own (Options.Shards), and each
// room is in one of them, by the hash of its name. A room is a subject:
//
//	NAME.s.GROUP.SHARD.room.7        what is stored of room:7; in a room under Latest NAME.s.GROUP.SHARD.KEY.room.7
//	NAME.r.room.7                    live: what the stream republishes, and what is not stored at all
//	NAME.t.TOPIC                     what hubs signal to each other
//	NAME.h                           what the nodes announce: see below
//
// A message is the live protocol's envelope, so that "nats sub 'tidewire.r.>'" shows what clients send.
//
// # What is promised
//
// A publish is acknowledged once the stream has stored it, on a majority of its replicas. Ids (mid) are known again for
// Options.Dedupe. There is one exception: the server remembers ids by the messages that it has. When it restarts, it has
// forgotten those that were evicted before, and a client that repeats one of them within the window stores it twice.
//
// Reads are never stale: where a stream has replicas, a marker is stored before the read and what is read must have it.
// Live delivery is NATS's own and may lose: the stream says which message came before, and each node announces every
// 2 s how far the rooms reach to which it has published, numbered, so that who missed an announcement knows. What is missing is
// read from the stream.
//
// # What moves
//
// [Broker.Export] and [Broker.Import], or [ExportFolders] and [ImportFolders] where no server runs, take what is stored from one
// store to another one: a backup, or one server's store that becomes a cluster's. Clients go on from their positions.
package natsbroker
