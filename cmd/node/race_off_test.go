//go:build !race

package main

// weight is how much more memory the program takes here than as people run it.
const weight = 1
