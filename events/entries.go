package events

import (
	"math/big"
	"regexp"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Options are how long tokens may yet be used that an event has renewed.
type Options struct {
	// RenewWithin is the time to renew tokens in after a credential was made or
	// changed. 0 means 5 min.
	RenewWithin time.Duration
	// ClaimsGrace is the time to renew tokens in whose claims have changed. 0 means
	// none: they are refused at once.
	ClaimsGrace time.Duration
}

func (o Options) withDefaults() Options {
	if o.RenewWithin == 0 {
		o.RenewWithin = 5 * time.Minute
	}
	return o
}

// mapping is one event on its way to the lists.
type mapping struct {
	event   authz.SecurityEvent
	payload payload
	options Options
	target  target
	before  time.Time // tokens meant were issued before it
	list    list
}

// changes is what is done about an event of a type.
var changes = map[string]func(*mapping) error{
	TypeSessionRevoked:    (*mapping).revokeTokens,
	TypeCredentialChange:  (*mapping).changeCredential,
	TypeTokenClaimsChange: (*mapping).changeClaims,
}

// Entries is what e writes to the revocation and renewal lists, as they are in data:
// *authz.Revocation and *authz.Renewal, and with them any *authz.Credential that it
// revokes, each valid. The Revision of each is that of the one it replaces, 0 when
// there is none; they are computed from each other, so the caller writes all of them,
// and only while that holds. No entries means that nothing is to be written: the
// event is of a type, or about a subject, that is not known here, or the lists say it
// already.
//
// The error is a *authz.EventRefusal when the event is at fault, and data's own otherwise.
func Entries(e authz.SecurityEvent, data Data, now time.Time, options Options) ([]authz.Entity, error) {
	change, ok := changes[e.Type]
	if !ok {
		return nil, nil
	}
	if e.Issuer == nil {
		return nil, authz.Errorf(authz.CodeInternal, "a security event without an issuer")
	}
	m := &mapping{event: e, options: options.withDefaults(), list: list{data: data, now: now.UTC()}}
	if err := m.read(); err != nil {
		return nil, err
	}
	if m.target.isEmpty() && m.target.foreign {
		return nil, &authz.EventRefusal{Err: ErrAccessDenied, Description: "the subject is another issuer's; an issuer's events are about what it issued itself"}
	}
	if err := change(m); err != nil {
		return nil, err
	}
	return m.list.entries, nil
}

func (m *mapping) read() error {
	err := readObject("the event", m.event.Payload, &m.payload)
	if err != nil {
		return err
	}
	if m.before, err = m.payload.before(m.event.IssuedAt, m.list.now); err != nil {
		return err
	}
	s, err := readSubject(m.event.SubjectID, m.event.Issuer.URL)
	if err != nil {
		return err
	}
	find := finder{issuer: m.event.Issuer, data: m.list.data}
	m.target, err = find.find(s)
	return err
}

// revokeTokens revokes the target's tokens.
func (m *mapping) revokeTokens() error {
	for _, named := range m.named() {
		r := &authz.Revocation{Listed: named, IssuedBefore: m.before, Until: m.until()}
		if named.By == authz.ByToken {
			r.IssuedBefore = time.Time{}
		}
		if err := m.list.revoke(r); err != nil {
			return err
		}
	}
	return nil
}

// maxAhead is how far the clock of an issuer may run ahead of ours.
const maxAhead = 5 * time.Minute

// renewTokens makes the target's tokens be renewed within a time.
func (m *mapping) renewTokens(within time.Duration) error {
	for _, named := range m.named() {
		r := &authz.Renewal{Listed: named, IssuedBefore: m.before, Deadline: m.list.now.Add(within), Until: m.until()}
		if named.By == authz.ByToken { // whenever it was issued, by a clock ahead of ours too
			r.IssuedBefore = endOfSecond(m.list.now.Add(maxAhead))
		}
		if err := m.list.renew(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapping) changeClaims() error { return m.renewTokens(m.options.ClaimsGrace) }

func (m *mapping) changeCredential() error {
	if m.payload.CredentialType == "" {
		return unreadable("credential_type is required")
	}
	switch m.payload.ChangeType {
	case "create", "update":
		return m.renewTokens(m.options.RenewWithin)
	case "revoke", "delete":
		if err := m.revokeCredential(); err != nil {
			return err
		}
		return m.revokeTokens()
	}
	return unreadable("change_type must be create, revoke, update or delete")
}

// kinds is what the credential types of events are here.
var kinds = map[string]string{ // :: credential_type -> kind of credential
	"x509":              authz.KindCertificate,
	authz.KindFederated: authz.KindFederated,
}

// revokeCredential revokes the one certificate the event names, or for good the
// target's credentials of the kind that the issuer vouches for.
func (m *mapping) revokeCredential() error {
	kind := kinds[m.payload.CredentialType]
	if kind == authz.KindCertificate && m.payload.X509Issuer != "" && m.payload.X509Serial != "" && m.event.Issuer.Own {
		return m.revokeCertificate()
	}
	for _, machineUser := range m.target.machineUsers {
		credentials, err := m.list.data.CredentialsOf(machineUser)
		if err != nil {
			return err
		}
		for _, c := range credentials {
			if kind == "" || c.Kind != kind || c.Issuer != m.event.Issuer.ID {
				continue
			}
			if err := m.endCredential(c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *mapping) endCredential(id string) error {
	if err := m.list.revoke(&authz.Revocation{Listed: m.listed(authz.ByCredential, id)}); err != nil {
		return err
	}
	return m.list.end(id)
}

func (m *mapping) revokeCertificate() error {
	serials, err := serialNumbers(m.payload.X509Serial)
	if err != nil {
		return err
	}
	for _, serial := range serials {
		named := m.issued(authz.ByCertificate, m.payload.X509Issuer, serial)
		if err := m.list.revoke(&authz.Revocation{Listed: named}); err != nil {
			return err
		}
	}
	return nil
}

// maxSerial bounds what is read as a number at all, in digits.
const maxSerial = 49

// A serial number has at most 20 octets (RFC 5280 section 4.1.2.2); tools put one of
// zeros before them.
var (
	hexSerial     = regexp.MustCompile(`^(00)?[0-9a-f]{1,40}$`)
	decimalSerial = regexp.MustCompile(`^[0-9]+$`)
)

var errSerial = unreadable("x509_serial must be a serial number in hex or decimal, of at most 20 octets")

// serialNumbers are the serial numbers that text may mean, in hex.
func serialNumbers(text string) ([]string, error) {
	digits := strings.NewReplacer(":", "", " ", "").Replace(strings.ToLower(text))
	digits, marked := strings.CutPrefix(digits, "0x")
	if len(digits) > maxSerial {
		return nil, errSerial
	}
	var serials []string
	if hexSerial.MatchString(digits) {
		serials = append(serials, digits)
	}
	if n, ok := new(big.Int).SetString(digits, 10); ok && !marked && decimalSerial.MatchString(digits) {
		serials = append(serials, n.Text(16))
	}
	if len(serials) == 0 {
		return nil, errSerial
	}
	return serials, nil
}

// named is what the entries about the target's tokens name.
func (m *mapping) named() []authz.Listed {
	var all []authz.Listed
	for _, jti := range m.target.tokens {
		all = append(all, m.issued(authz.ByToken, m.event.Issuer.URL, jti))
	}
	for _, machineUser := range m.target.machineUsers {
		all = append(all, m.listed(authz.BySubject, machineUser))
	}
	if m.target.tenant != "" {
		all = append(all, m.listed(authz.ByTenant, m.target.tenant))
	}
	return all
}

func (m *mapping) listed(by, of string) authz.Listed {
	return authz.Listed{By: by, Of: of, Reason: m.reason()}
}

// issued names what an authority gave a name to. The entry shows the name where it is
// text that may be shown; its hash, which is what is looked up, is there always.
func (m *mapping) issued(by, authority, name string) authz.Listed {
	l := m.listed(by, authz.TokenID(authority, name))
	if by == authz.ByCertificate {
		l.Of = authz.CertificateID(authority, name)
	}
	if clean(authority) == authority && clean(name) == name {
		l.Issuer, l.Name = authority, name
	}
	return l
}

func (m *mapping) until() time.Time { return m.list.now.Add(authz.LongestTokenLife) }

func (m *mapping) reason() string {
	text := strings.TrimPrefix(m.event.Type, caep) + " by " + m.event.Issuer.ID
	if why := m.payload.reason(); why != "" {
		text += ": " + why
	}
	return text
}
