package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// common is the room that every listener has: what load balancers ask, and the
// document of the API. None of it is about anybody, and none of it needs a key.
type common struct{ *Server }

// Mount implements Room.
func (r common) Mount(e *echo.Echo) {
	e.GET(api.PathHealth, r.health)
	e.GET(api.PathReady, r.ready)
	e.GET(api.PathOpenAPI, r.openAPI)
}

// PublicPaths implements PublicRoom.
func (common) PublicPaths() []string {
	return []string{api.PathHealth, api.PathReady, api.PathOpenAPI}
}

// exposition is the room of /metrics, for operators and reviewers.
type exposition struct{ gatherer prometheus.Gatherer }

// Mount implements Room.
func (r exposition) Mount(e *echo.Echo) {
	handler := promhttp.HandlerFor(r.gatherer, promhttp.HandlerOpts{})
	e.GET(api.PathMetrics, func(c echo.Context) error {
		if _, err := reqctx.Require(c.Request().Context(), authz.RoleOperate, authz.RoleReview); err != nil {
			return err
		}
		handler.ServeHTTP(c.Response(), c.Request())
		return nil
	})
}

// health tells that the process serves.
func (r common) health(c echo.Context) error {
	return wire.WriteJSON(c.Response(), http.StatusOK, api.Health{OK: true})
}

// ready tells whether this node should be asked, and by name what it lacks and
// what needs somebody.
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
