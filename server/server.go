package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Server serves its listeners. New, then Listen, then Run once; Close when it does not run.
type Server struct {
	config    Config
	metrics   *metrics
	document  []byte // openapi.json
	listeners []*listener
	ran       bool // the listeners are Run's to close

	// stopping ends when the server begins to shut down.
	stopping context.Context
	stop     context.CancelFunc
}

// listener is one address with the rooms behind it.
type listener struct {
	Listener
	public map[string]bool // :: route path -> needs no API key; fixed after mount
	echo   *echo.Echo
	http   *http.Server
	net    net.Listener // nil until Listen, and after Close
}

// New builds the server. It neither listens nor starts anything.
func New(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the server: %w", err)
	}
	document, err := Document()
	if err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	s := &Server{config: config.withDefaults(), metrics: newMetrics(), document: document}
	s.stopping, s.stop = context.WithCancel(context.Background())
	for _, l := range s.config.Listeners {
		built, err := s.listener(l)
		if err != nil {
			return nil, fmt.Errorf("configuring listener %s: %w", l.Name, err)
		}
		s.listeners = append(s.listeners, built)
	}
	return s, nil
}

// listener builds an Echo with the rooms of a listener and the HTTP server before it.
func (s *Server) listener(of Listener) (*listener, error) {
	l := &listener{Listener: of, public: map[string]bool{}, echo: echo.New()}
	g := &guard{server: s, listener: l}
	l.echo.Use(g.middleware)
	rooms := []Room{common{s}}
	if l.Metrics {
		rooms = append(rooms, exposition{s.config.Gatherer})
	}
	if err := l.mount(append(rooms, l.Rooms...)...); err != nil {
		return nil, err
	}
	g.learnRoutes()
	l.http = &http.Server{
		Handler:           s.traced(l.Name, &entry{server: s, next: l.echo}),
		ReadHeaderTimeout: s.config.ReadTimeout,
		ReadTimeout:       s.config.ReadTimeout,
		WriteTimeout:      s.config.WriteTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn),
	}
	return l, nil
}

// Route is one route of a listener, its path as Echo writes it: /v1/users/:id.
type Route struct{ Listener, Method, Path string }

// Routes lists what every listener serves.
func (s *Server) Routes() []Route {
	var routes []Route
	for _, l := range s.listeners {
		for _, route := range l.echo.Routes() {
			routes = append(routes, Route{Listener: l.Name, Method: route.Method, Path: route.Path})
		}
	}
	return routes
}

// Collectors are the server's metrics, to be registered.
func (s *Server) Collectors() []prometheus.Collector { return s.metrics.collectors() }

// Listen opens every address, so that they are known and connections wait before
// Run. It fails without leaving one open.
func (s *Server) Listen() error {
	for _, l := range s.listeners {
		opened, err := l.Open()
		if err != nil {
			return errors.Join(err, s.Close())
		}
		if l.TLS != nil {
			opened = tls.NewListener(opened, l.TLS)
		}
		l.net = opened
	}
	return nil
}

// Close closes what Listen opened, when Run was not called: Run closes it itself.
func (s *Server) Close() error {
	if s.ran {
		return nil
	}
	var err error
	for _, l := range s.listeners {
		if l.net != nil {
			err = errors.Join(err, l.net.Close())
			l.net = nil
		}
	}
	return err
}

// Addr is the address that the listener of a name serves at, nil before Listen and
// when there is none of that name.
func (s *Server) Addr(name string) net.Addr {
	for _, l := range s.listeners {
		if l.Name == name && l.net != nil {
			return l.net.Addr()
		}
	}
	return nil
}

// Run serves until ctx ends, finishes what is in flight and returns nil; or an
// error when a listener fails or ShutdownTimeout did not suffice, with every
// connection closed. It calls Listen unless that was done. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	if !s.listening() {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	s.ran = true
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		group.Go(l.serve)
	}
	group.Go(func() error {
		<-ctx.Done()
		return s.shutdown()
	})
	return group.Wait()
}

func (s *Server) listening() bool {
	return slices.ContainsFunc(s.listeners, func(l *listener) bool { return l.net != nil })
}

func (l *listener) serve() error {
	if err := l.http.Serve(l.net); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", l.Name, err)
	}
	return nil
}

// shutdown makes the node not ready, waits for load balancers to notice, and ends every
// listener.
func (s *Server) shutdown() error {
	s.stop()
	if s.config.DrainDelay > 0 {
		<-s.config.After(s.config.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	var group errgroup.Group
	for _, l := range s.listeners {
		group.Go(func() error { return l.shutdown(ctx) })
	}
	return group.Wait()
}

func (l *listener) shutdown(ctx context.Context) error {
	err := l.http.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("%s requests were still in flight when the time to finish them was over: %w", l.Name, err), l.http.Close())
}
