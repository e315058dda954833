package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// common adds what both listeners have.
func (s *Server) common(e *echo.Echo) {
	e.GET(api.PathHealth, s.health)
	e.GET(api.PathReady, s.ready)
	e.GET(api.PathOpenAPI, s.openAPI)
}

// prometheus adds /metrics, for operators and reviewers.
func (s *Server) prometheus(e *echo.Echo) {
	handler := promhttp.HandlerFor(s.config.Gatherer, promhttp.HandlerOpts{})
	e.GET(api.PathMetrics, func(c echo.Context) error {
		if _, err := reqctx.Require(c.Request().Context(), authz.RoleOperate, authz.RoleReview); err != nil {
			return err
		}
		handler.ServeHTTP(c.Response(), c.Request())
		return nil
	})
}

// health says that the process serves.
func (s *Server) health(c echo.Context) error {
	return wire.WriteJSON(c.Response(), http.StatusOK, api.Health{OK: true})
}

// ready says whether this node should be asked, and by name what it lacks and
// what needs somebody.
func (s *Server) ready(c echo.Context) error {
	lacking := failing(s.config.Ready)
	if s.stopping.Err() != nil {
		lacking = append([]string{"shutting_down"}, lacking...)
	}
	readiness := api.Readiness{Ready: len(lacking) == 0, NotReady: lacking, Warnings: failing(s.config.Warnings)}
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

func (s *Server) openAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, api.TypeJSON, s.document)
}
