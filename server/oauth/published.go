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

// metadata describes the token service (RFC 8414 section 2).
type metadata struct {
	Issuer               string   `json:"issuer"`
	TokenEndpoint        string   `json:"token_endpoint"`
	JWKSURI              string   `json:"jwks_uri"`
	ResponseTypes        []string `json:"response_types_supported"` // none: there is no authorization endpoint
	GrantTypes           []string `json:"grant_types_supported"`
	TokenMethods         []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgorithms      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpoint   string   `json:"revocation_endpoint"`
	RevocationMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgorithms []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectEndpoint   string   `json:"introspection_endpoint"`
	IntrospectMethods    []string `json:"introspection_endpoint_auth_methods_supported"` // an API key, as a bearer token
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens"`    // RFC 8705 section 3.3
}

// metadataOf describes the token service of an issuer.
func metadataOf(issuer string) metadata {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"}
	return metadata{
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

// publish answers with a document that anybody may keep for a while, or with 304 when
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

// matches says whether If-None-Match names tag (RFC 9110 section 13.1.2).
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
