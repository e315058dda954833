package server

import "net/http"

// Handler is what a listener runs, for benchmarks without a network.
func (s *Server) Handler(name string) http.Handler {
	for _, l := range s.listeners {
		if l.Name == name {
			return l.http.Handler
		}
	}
	return nil
}
