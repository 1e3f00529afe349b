package jwtauth_test

import (
	"context"
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/jwtauth"
)

// A program that issues tokens itself, and the server that accepts them.
func Example() {
	text, err := jwtauth.GenerateKey(jwtauth.EdDSA)
	if err != nil {
		panic(err)
	}
	key, err := jwtauth.ParseSigningKey("2026-01", jwtauth.EdDSA, text)
	if err != nil {
		panic(err)
	}
	grants, err := actors.NewGrants(actors.Grant{Pattern: "board/q3-*", Ops: []actors.Op{actors.OpJoin, actors.OpPublishEvent("add")}})
	if err != nil {
		panic(err)
	}
	token, err := key.Sign(jwtauth.Token{
		Issuer: "https://shop.example", Audience: "parlor", Subject: "ada", Grants: grants,
		Issued: time.Now(), Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		panic(err)
	}

	auth, err := jwtauth.New(jwtauth.Config{Issuer: "https://shop.example", Audience: "parlor", Keys: []jwtauth.Key{key.Public()}})
	if err != nil {
		panic(err)
	}
	id, err := auth.Authenticate(context.Background(), &actors.AuthRequest{Namespace: "/board/q3-plan", Token: token})
	if err != nil {
		panic(err)
	}
	permit := id.In("/board/q3-plan")
	fmt.Println(id.Subject, permit.MayPublish("add"), permit.MayPublish("clear"))
	_, err = auth.Verify(context.Background(), token[:len(token)-3]+"AAA")
	fmt.Println(actors.AsError(err).Code)
	// Output:
	// ada true false
	// unauthorized
}
