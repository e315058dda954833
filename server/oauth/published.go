package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// metadataOf describes the token service of an issuer.
func metadataOf(issuer string) api.Metadata {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"}
	return api.Metadata{
		Issuer:               issuer,
		TokenEndpoint:        issuer + api.PathToken,
		JWKSURI:              issuer + api.PathJWKS,
		ResponseTypes:        []string{},
		GrantTypes:           []string{authz.GrantClientCredentials},
		TokenMethods:         methods,
		TokenAlgorithms:      authz.Algorithms(),
		RevocationEndpoint:   issuer + api.PathRevokeOwn,
		RevocationMethods:    methods,
		RevocationAlgorithms: authz.Algorithms(),
		IntrospectEndpoint:   issuer + api.PathIntrospect,
		IntrospectMethods:    []string{"Bearer"},
		CertificateBound:     true,
	}
}

func (h *Handler) metadata(c echo.Context) error {
	document, err := ijson.Marshal(metadataOf(h.Service.Issuer()))
	if err != nil {
		return err
	}
	_, keep := h.Service.KeySet()
	return publish(c, document, keep)
}

func (h *Handler) keySet(c echo.Context) error {
	document, keep := h.Service.KeySet()
	return publish(c, document, keep)
}

// publish responds with a document that every cache may keep for a while, or with 304 when
// the caller has it already.
func publish(c echo.Context, document []byte, keep time.Duration) error {
	sum := sha256.Sum256(document)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`
	h := c.Response().Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(keep/time.Second)))
	if matches(c.Request().Header.Values("If-None-Match"), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, api.TypeJSON, document)
}

// matches reports whether If-None-Match names tag (RFC 9110 section 13.1.2).
func matches(headers []string, tag string) bool {
	for _, header := range headers {
		for given := range strings.SplitSeq(header, ",") {
			given = strings.TrimSpace(given)
			if given == "*" || strings.TrimPrefix(given, "W/") == tag {
				return true
			}
		}
	}
	return false
}
