package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestBoardsAndAPageShareAPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(serving, listener) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	url := "http://" + listener.Addr().String()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if page, err := io.ReadAll(response.Body); err != nil || string(page) != "a page\n" {
		t.Errorf("the page is %q, %v", page, err)
	}

	client, err := transporttest.Dial(ctx, url, transporttest.Options{Transport: transporttest.Upgrade})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	board, err := client.Connect(ctx, "/board/q3-plan", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := board.EmitAck(ctx, "add", AddNote{Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	var id string
	if len(answer.Args) != 1 || json.Unmarshal(answer.Args[0], &id) != nil || id == "" {
		t.Errorf("the answer is %s, want the id of the note", answer.Args)
	}
}
