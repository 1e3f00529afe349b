// Package house holds no code, only tests of the repository as a whole: who
// may import whom, where each third-party module lives, and what the tree may
// contain. rules_test.go has the rules as tables, each with its reason.
package house
