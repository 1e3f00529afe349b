//go:build race

package main

// weight is how much more memory the program takes here than as people run it:
// the race detector shadows every word.
const weight = 6
