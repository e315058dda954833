package api

// Metadata answers PathMetadata: it describes the token service (RFC 8414 section 2).
type Metadata struct {
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
