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

// ready says whether this node should be asked, and by name what it lacks.
func (s *Server) ready(c echo.Context) error {
	var lacking []string
	if s.stopping.Err() != nil {
		lacking = append(lacking, "shutting_down")
	}
	for _, check := range s.config.Ready {
		if check.Ready() != nil {
			lacking = append(lacking, check.Name)
		}
	}
	if len(lacking) > 0 {
		return wire.WriteJSON(c.Response(), http.StatusServiceUnavailable, api.Readiness{NotReady: lacking})
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, api.Readiness{Ready: true})
}

func (s *Server) openAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, api.TypeJSON, s.document)
}
