//go:build !long

package redis_test

const visits = 2_000 // of rooms through a node
