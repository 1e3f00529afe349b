// Package linkpb is generated from codec/proto/parlor/link/v1/link.proto by
// make proto. Only package codec uses it.
package linkpb
