package transport

import (
	"net/http"
	"slices"
)

// preflightAge is for how many seconds a browser may remember a preflight.
const preflightAge = "600"

// corsHeaders adds what a browser wants to see in the answer to a polling
// request from an allowed origin. Responses differ by origin even where there
// is none, so caches are always told.
func (c *Config) corsHeaders(h http.Header, r *http.Request) {
	h.Add("Vary", "Origin")
	from := r.Header.Get("Origin")
	if from == "" {
		return
	}
	if slices.Contains(c.Origins, anyOrigin) {
		h.Set("Access-Control-Allow-Origin", anyOrigin)
		return
	}
	h.Set("Access-Control-Allow-Origin", from)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// isPreflight reports whether a browser asks for leave: https://fetch.spec.whatwg.org/#cors-preflight-request
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// servePreflight answers a preflight of an allowed origin.
func (h *Handler) servePreflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	h.cfg.corsHeaders(header, r)
	header.Add("Vary", "Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", "GET, POST")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Access-Control-Max-Age", preflightAge)
	w.WriteHeader(http.StatusNoContent)
}
