package oauth

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// assertionType is the one client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// clientOf reads the client of a request and its credential, which must be given in
// exactly one way. It does not verify them.
func clientOf(r *http.Request, f form) (authz.TokenClient, error) {
	client := authz.TokenClient{ID: f.get("client_id"), Source: source(r.RemoteAddr)}
	basic := len(r.Header["Authorization"]) > 0
	post := f.get("client_secret") != ""
	assertion := f.get("client_assertion") != "" || f.get("client_assertion_type") != ""
	var err error
	switch {
	case basic && (post || assertion), post && assertion:
		err = invalid("Authenticate in one way only: Authorization: Basic, client_secret or client_assertion.")
	case basic:
		err = readBasic(r, &client)
	case post:
		err = readPost(f, &client)
	case assertion:
		err = readAssertion(f, &client)
	case client.ID != "":
		client.Evidence.Certificate = certificate(r)
	}
	return client, err
}

// readBasic reads client_secret_basic. A client_id beside it must be equal.
func readBasic(r *http.Request, client *authz.TokenClient) error {
	id, secret, ok := basicParts(r.Header["Authorization"])
	if !ok {
		return authz.RefuseOAuth(authz.OAuthInvalidClient, "The Authorization header must be Basic, with client id and secret form-encoded, joined by a colon, in base64.")
	}
	if client.ID != "" && client.ID != id {
		return invalid("client_id names another client than the Authorization header.")
	}
	client.ID = id
	client.Evidence = authz.Evidence{ClientID: id, ClientSecret: secret}
	return nil
}

// basicParts decodes the one Authorization header (RFC 7617, RFC 6749 section 2.3.1).
func basicParts(headers []string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	if !ok {
		return "", "", false
	}
	id, err = url.QueryUnescape(user)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(password)
	return id, secret, err == nil && id != "" && secret != ""
}

func readPost(f form, client *authz.TokenClient) error {
	if client.ID == "" {
		return invalid("client_id is required with client_secret: the id of the machine user.")
	}
	client.Evidence = authz.Evidence{ClientID: client.ID, ClientSecret: f.get("client_secret")}
	return nil
}

func readAssertion(f form, client *authz.TokenClient) error {
	if f.get("client_assertion") == "" || f.get("client_assertion_type") != assertionType {
		return invalid("client_assertion goes with client_assertion_type " + assertionType + ".")
	}
	client.Evidence = authz.Evidence{ClientID: client.ID, Assertion: f.get("client_assertion")}
	return nil
}

// certificate is the client certificate of the connection, nil when there is none.
func certificate(r *http.Request) *authz.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	presented := new(authz.Certificate)
	for _, c := range r.TLS.PeerCertificates {
		presented.Chain = append(presented.Chain, c.Raw)
	}
	return presented
}

// source is the address of the other end, empty when the connection has none. An IPv4
// address in an IPv6 one is written as itself, which is how networks are declared.
func source(remote string) string {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	return peer.Addr().Unmap().WithZone("").String()
}
