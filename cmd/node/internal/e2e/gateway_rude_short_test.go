//go:build !long

package e2e

// rudeCount is how many clients come and go; ten times as many with the build
// tag long.
const rudeCount = 1_000
