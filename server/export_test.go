package server

import "net/http"

// DecisionsHandler is what the decisions listener runs, for benchmarks without
// a network.
func (s *Server) DecisionsHandler() http.Handler { return s.decisions.http.Handler }
