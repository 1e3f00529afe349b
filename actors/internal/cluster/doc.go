// Package cluster decides which nodes there are and on which of them a room
// is. Membership and Placement are plain machines: time is an argument,
// answers of the registry, the store and the peers are method calls, what they
// want done goes out through an interface. Agent drives a Membership.
//
// Membership says who lives, and is believed only as far as that: who may
// write a room is the store's to say (actors.Ownership), which Placement asks.
package cluster
