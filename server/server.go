package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Server is the two listeners. New, then Listen, then Run once.
type Server struct {
	config   Config
	metrics  *metrics
	document []byte // openapi.json

	decisions, admin *listener

	// stopping ends when the server begins to shut down.
	stopping context.Context
	stop     context.CancelFunc
}

// listener is one address with the rooms behind it.
type listener struct {
	name string // for logs and metrics
	// quietly logs requests that went well at debug level: what was decided is
	// recorded elsewhere.
	quietly bool
	echo    *echo.Echo
	http    *http.Server
	net     net.Listener // nil until Listen
}

// mount adds the routes of one room.
type mount func(*echo.Echo)

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

	s.decisions = s.listener("decisions", true, s.decisionRooms()...)
	s.admin = s.listener("admin", false, s.common, s.prometheus, s.config.Admin.Mount)
	return s, nil
}

// decisionRooms are the rooms of the decisions listener.
func (s *Server) decisionRooms() []mount {
	rooms := []mount{s.common, s.config.API.Mount}
	if s.config.Events != nil {
		rooms = append(rooms, s.config.Events.Mount)
	}
	if s.config.OAuth != nil {
		rooms = append(rooms, s.config.OAuth.Mount)
	}
	return rooms
}

// listener builds an Echo with rooms and the HTTP server before it.
func (s *Server) listener(name string, quietly bool, rooms ...mount) *listener {
	l := &listener{name: name, quietly: quietly, echo: echo.New()}
	g := &guard{server: s, listener: l}
	l.echo.Use(g.middleware)
	for _, room := range rooms {
		room(l.echo)
	}
	g.learnRoutes()
	l.http = &http.Server{
		Handler:           s.traced(name, &entry{server: s, next: l.echo}),
		ReadHeaderTimeout: s.config.ReadTimeout,
		ReadTimeout:       s.config.ReadTimeout,
		WriteTimeout:      s.config.WriteTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn),
	}
	return l
}

// Route is one route of a listener, its path as Echo writes it: /v1/users/:id.
type Route struct{ Listener, Method, Path string }

// Routes lists what both listeners serve.
func (s *Server) Routes() []Route {
	var routes []Route
	for _, l := range []*listener{s.decisions, s.admin} {
		for _, route := range l.echo.Routes() {
			routes = append(routes, Route{Listener: l.name, Method: route.Method, Path: route.Path})
		}
	}
	return routes
}

// Collectors are the server's metrics, to be registered.
func (s *Server) Collectors() []prometheus.Collector { return s.metrics.collectors() }

// Listen opens both addresses, so that they are known and connections wait
// before Run. It fails without leaving one open.
func (s *Server) Listen() error {
	var err error
	if s.decisions.net, err = open(s.config.DecisionsListener, s.config.DecisionsAddr); err != nil {
		return fmt.Errorf("listening for decisions: %w", err)
	}
	if s.config.DecisionsTLS != nil {
		s.decisions.net = tls.NewListener(s.decisions.net, s.config.DecisionsTLS)
	}
	if s.admin.net, err = open(s.config.AdminListener, s.config.AdminAddr); err != nil {
		return errors.Join(fmt.Errorf("listening for administration: %w", err), s.decisions.net.Close())
	}
	return nil
}

func open(given net.Listener, addr string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	return net.Listen("tcp", addr)
}

// DecisionsAddr is the address decisions are served at, nil before Listen.
func (s *Server) DecisionsAddr() net.Addr { return s.decisions.addr() }

// AdminAddr is the address administration is served at, nil before Listen.
func (s *Server) AdminAddr() net.Addr { return s.admin.addr() }

func (l *listener) addr() net.Addr {
	if l.net == nil {
		return nil
	}
	return l.net.Addr()
}

// Run serves until ctx ends, finishes what is in flight and returns nil; or an
// error when a listener fails or ShutdownTimeout did not suffice, with every
// connection closed. It calls Listen unless that was done. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	if s.decisions.net == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range []*listener{s.decisions, s.admin} {
		group.Go(func() error { return l.serve() })
	}
	group.Go(func() error {
		<-ctx.Done()
		return s.shutdown()
	})
	return group.Wait()
}

func (l *listener) serve() error {
	if err := l.http.Serve(l.net); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", l.name, err)
	}
	return nil
}

// shutdown says not ready, waits for load balancers to see it, and ends both
// listeners.
func (s *Server) shutdown() error {
	s.stop()
	if s.config.DrainDelay > 0 {
		<-s.config.After(s.config.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	var group errgroup.Group
	for _, l := range []*listener{s.decisions, s.admin} {
		group.Go(func() error { return l.shutdown(ctx) })
	}
	return group.Wait()
}

func (l *listener) shutdown(ctx context.Context) error {
	err := l.http.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("%s requests were still in flight when the time to finish them was over: %w", l.name, err), l.http.Close())
}
