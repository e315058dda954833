package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

// common is the room that every listener has: the checks of load balancers, and the
// document of the API. None of it needs a key.
type common struct{ *Server }

// Mount implements Room.
func (r common) Mount(e *echo.Echo) { route.Table{Rows: r.Rows()}.Mount(e) }

// Rows are the routes of every listener.
func (r common) Rows() []route.Row {
	return []route.Row{
		{Method: "GET", Path: api.PathHealth, ID: "health", Public: true, Shows: api.Health{}, Handler: route.Elsewhere(r.health)},
		{Method: "GET", Path: api.PathReady, ID: "ready", Public: true, Shows: api.Readiness{},
			Answers: []route.Answer{{Status: http.StatusOK}, {Status: http.StatusServiceUnavailable}}, Handler: route.Elsewhere(r.ready)},
		{Method: "GET", Path: api.PathOpenAPI, ID: "openapi", Public: true, Shows: map[string]any{}, Handler: route.Elsewhere(r.openAPI)},
	}
}

// Rows are the routes of listeners with rooms: those of the rooms and those beside them.
func Rows(rooms ...Room) []route.Row {
	rows := append(common{}.Rows(), exposition{}.Rows()...)
	for _, room := range rooms {
		if tabled, ok := room.(interface{ Rows() []route.Row }); ok {
			rows = append(rows, tabled.Rows()...)
		}
	}
	return rows
}

// PublicPaths implements PublicRoom.
func (r common) PublicPaths() []string { return route.Public(r.Rows()) }

// exposition is the room of /metrics, for operators and reviewers.
type exposition struct{ gatherer prometheus.Gatherer }

// Mount implements Room.
func (r exposition) Mount(e *echo.Echo) { route.Table{Rows: r.Rows()}.Mount(e) }

// Rows is the one route.
func (r exposition) Rows() []route.Row {
	return []route.Row{{
		Method: "GET", Path: api.PathMetrics, ID: "metrics", Roles: []authz.Role{authz.RoleOperate, authz.RoleReview},
		Answers: []route.Answer{{Status: http.StatusOK, Type: "text/plain"}}, Handler: route.Elsewhere(r.metrics()),
	}}
}

func (r exposition) metrics() echo.HandlerFunc {
	handler := promhttp.HandlerFor(r.gatherer, promhttp.HandlerOpts{})
	return func(c echo.Context) error {
		if _, err := reqctx.Require(c.Request().Context(), authz.RoleOperate, authz.RoleReview); err != nil {
			return err
		}
		handler.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// health answers that the process serves.
func (r common) health(c echo.Context) error {
	return wire.WriteJSON(c.Response(), http.StatusOK, api.Health{OK: true})
}

// ready answers whether this node should be sent requests, with the names of the checks
// that fail and of the warnings.
func (r common) ready(c echo.Context) error {
	lacking := failing(r.config.Ready)
	if r.stopping.Err() != nil {
		lacking = append([]string{"shutting_down"}, lacking...)
	}
	readiness := api.Readiness{Ready: len(lacking) == 0, NotReady: lacking, Warnings: failing(r.config.Warnings)}
	status := http.StatusOK
	if !readiness.Ready {
		status = http.StatusServiceUnavailable
	}
	return wire.WriteJSON(c.Response(), status, readiness)
}

// failing names the checks that are not ready, in their order.
func failing(checks []Check) []string {
	var names []string
	for _, check := range checks {
		if check.Ready() != nil {
			names = append(names, check.Name)
		}
	}
	return names
}

func (r common) openAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, api.TypeJSON, r.document)
}
