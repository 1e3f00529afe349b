// Package telemetry sets up the OpenTelemetry SDK of a process from the
// standard environment variables. The packages of Parlor speak the API only
// and take a tracer and a meter through their configuration: this package is
// what the ready-made server and the examples give them, and what a program of
// your own may use or leave.
//
// Spans and metrics are exported where the variables say; without any, no span
// is made. The variables are those of
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// and https://opentelemetry.io/docs/specs/otel/protocol/exporter/, among them
//
//	OTEL_EXPORTER_OTLP_ENDPOINT   where a collector listens, http://127.0.0.1:4318
//	OTEL_TRACES_SAMPLER_ARG       which part of what has no sampled parent is traced
package telemetry
