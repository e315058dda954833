package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Room is one surface: it adds its routes to a listener. Every route needs an API
// key, which has been authenticated before the route's handler runs, except at the
// paths of a PublicRoom. A route for GET serves HEAD too.
//
// When a Room has a method Validate() error, it is called before the room is mounted.
type Room interface {
	Mount(e *echo.Echo)
}

// PublicRoom is a Room with paths that need no API key: for all callers, or for callers who
// authenticate in another way.
type PublicRoom interface {
	Room
	// PublicPaths lists those paths as they were mounted, of this Room only.
	PublicPaths() []string
}

// Listener is one address with the rooms that are served there.
type Listener struct {
	// Name is unique, and appears in logs, metrics and errors.
	Name string
	// Addr is host:port, where port 0 takes a free one, or a Unix socket, see
	// api.Socket.
	Addr string
	// Setting is the configuration key of Addr, for the error when it cannot be opened.
	Setting string
	// Net, when given, is used instead of Addr. The Server closes it.
	Net net.Listener
	// TLS, when given, has the listener served over TLS.
	TLS *tls.Config
	// Rooms are served beside /healthz, /readyz and /openapi.json.
	Rooms []Room
	// Metrics has /metrics served.
	Metrics bool
	// Quiet logs requests that went well at debug level, where what they did is
	// recorded elsewhere.
	Quiet bool
}

// mount adds rooms to the listener. It fails when two rooms want the same path, or
// a room declares a path public that is not its own: both would let a room decide
// who reaches another.
func (l *listener) mount(rooms ...Room) error {
	owners := map[string]int{} // :: route path -> the room that mounted it
	for i, room := range rooms {
		if checked, ok := room.(interface{ Validate() error }); ok {
			if err := checked.Validate(); err != nil {
				return err
			}
		}
		var taken error
		l.echo.OnAddRouteHandler = func(_ string, route echo.Route, handler echo.HandlerFunc, middleware []echo.MiddlewareFunc) {
			if owner, known := owners[route.Path]; known && owner != i {
				taken = errors.Join(taken, fmt.Errorf("%s is mounted by %T and by %T", route.Path, rooms[owner], room))
			}
			owners[route.Path] = i
			if route.Method == http.MethodGet {
				l.echo.HEAD(route.Path, headOf(handler), middleware...)
			}
		}
		room.Mount(l.echo)
		if taken != nil {
			return taken
		}
		if open, ok := room.(PublicRoom); ok {
			for _, path := range open.PublicPaths() {
				if owner, known := owners[path]; !known || owner != i {
					return fmt.Errorf("%T declares %s public, which it does not mount", room, path)
				}
				l.public[path] = true
			}
		}
	}
	return nil
}
