//go:build long

package e2e

const rudeCount = 10_000
