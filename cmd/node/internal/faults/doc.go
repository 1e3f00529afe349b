// Package faults holds tests of several processes of the real program with a
// real Redis, while something goes wrong: processes that are killed, stopped,
// drained and added, Redis that is away. Clients are hundreds, check every
// message they get, and say what they missed.
package faults
