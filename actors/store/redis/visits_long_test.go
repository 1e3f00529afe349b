//go:build long

package redis_test

const visits = 300_000 // of rooms through a node
