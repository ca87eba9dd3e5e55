package natsbroker_test

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// A hub whose rooms outlive the process.
func Example() {
	server, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: "/var/lib/app"})
	if err != nil {
		log.Fatal(err)
	}
	broker, err := server.Connect(nil)
	if err != nil {
		log.Fatal(err)
	}
	hub := live.NewHub(&live.Options{Broker: broker})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100, HistoryAge: time.Hour})
	go http.ListenAndServe("127.0.0.1:8080", hub)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	hub.Shutdown(context.Background())
	broker.Close() // behind the hubs, and before the server
	server.Close()
}

// Nodes that share rooms over NATS servers which run elsewhere.
func ExampleConnect() {
	broker, err := natsbroker.Connect("nats://10.0.0.1:4222,nats://10.0.0.2:4222,nats://10.0.0.3:4222", &natsbroker.Options{Replicas: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	hub := live.NewHub(&live.Options{Broker: broker})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100})
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", hub))
}
