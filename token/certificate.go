package token

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// trustAnchor is an issuer that may have issued a certificate, with its authorities and
// their freshness.
type trustAnchor struct {
	freshness
	issuer      *authz.Issuer
	authorities []*x509.Certificate
	keys        keySetID // of the authorities
}

// peer is a verified client certificate. It is immutable.
type peer struct {
	thumbprint string // x5t#S256
	id         string // authz.CertificateID
	// names are those the leaf may be registered under, as in authz.Credential.Names,
	// best first: only the SPIFFE ID if it has one, else its thumbprint, URI and DNS
	// names.
	names               []string
	domain              string // SPIFFE ID of its trust domain; empty if it is no X.509-SVID
	notBefore, notAfter time.Time

	issuer      string    // id of the issuer that its chain leads to; empty until it is verified
	from, until time.Time // validity of the whole path to that issuer
}

// verifiedCertificate is a client certificate with the registered issuer that its chain
// leads to.
type verifiedCertificate struct {
	trustAnchor
	peer *peer
}

// checkCertificate verifies a client certificate and finds the machine user it is
// registered for.
func (v *Verifier) checkCertificate(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	if _, fault := presentedThumbprint(p.Evidence.Certificate); fault != nil {
		return proven{}, fault
	}
	if len(p.Evidence.Certificate.Chain) == 0 {
		return proven{}, missing("thumbprint_only", "A certificate's thumbprint proves no subject by itself.", "Send the certificate, or the token that is bound to it.")
	}
	certificate, fault := v.verifyCertificate(ctx, p)
	if fault != nil {
		return proven{}, fault
	}
	credential, name, fault := v.certificateCredential(ctx, p, certificate.peer)
	if fault != nil {
		return proven{}, fault
	}
	x := proven{issuer: certificate.issuer, credential: credential}
	x.Subject, x.Evidence, x.Certificate = credential.MachineUser, authz.EvidenceCertificate, certificate.peer.facts()
	x.Certificate.Name, x.Certificate.Credential = name, credential.ID
	certificate.apply(&x.Principal, certificate.issuer)
	return x, nil
}

// facts returns what policies see of a certificate.
func (p *peer) facts() *authz.VerifiedCertificate {
	return &authz.VerifiedCertificate{ID: p.id, Thumbprint: p.thumbprint, Issuer: p.issuer, NotBefore: p.notBefore, NotAfter: p.notAfter}
}

// current reports whether the certificate is within its validity.
func (p *peer) current(now time.Time) bool {
	return !now.Before(p.notBefore) && !now.After(p.notAfter)
}

// verifyCertificate verifies a chain, from the cache if it can. The issuers that may
// have issued it are looked up in either case.
func (v *Verifier) verifyCertificate(ctx context.Context, p *authz.Presentation) (verifiedCertificate, *authz.Fault) {
	chain := p.Evidence.Certificate.Chain
	if fault := checkBounds(chain); fault != nil {
		return verifiedCertificate{}, fault
	}
	hash := hashChain(chain)
	known, cached := v.lookupPeer(hash)
	if cached {
		anchors, fault := v.trustAnchors(ctx, p, known.peer)
		if fault != nil {
			return verifiedCertificate{}, fault
		}
		if certificate, ok := known.validFor(anchors, p.Now); ok {
			return certificate, nil
		}
	}
	read, fault := readPeer(chain)
	if fault != nil {
		return verifiedCertificate{}, fault
	}
	anchors, fault := v.trustAnchors(ctx, p, &read.peer)
	if fault != nil {
		return verifiedCertificate{}, fault
	}
	peer, fault := read.verify(anchors, p.Now)
	if fault != nil {
		return verifiedCertificate{}, fault
	}
	v.cachePeer(hash, peer, anchors)
	return peer.issuedBy(anchors), nil
}

// trustAnchors returns the issuers that may have issued a certificate. Those whose
// authorities are unavailable are left out. For an X.509-SVID that is a fault, because
// its trust domain is the only one.
func (v *Verifier) trustAnchors(ctx context.Context, p *authz.Presentation, of *peer) ([]trustAnchor, *authz.Fault) {
	issuers, fault := v.issuersFor(ctx, p.Directory, of)
	if fault != nil {
		return nil, fault
	}
	anchors := make([]trustAnchor, 0, len(issuers))
	for _, issuer := range issuers {
		keys, fault := v.issuerKeys(issuer, p.Now)
		switch {
		case fault == nil:
			anchors = append(anchors, trustAnchor{freshness: keys.freshness, issuer: issuer, authorities: keys.set.authorities, keys: keys.id})
		case of.domain != "":
			return nil, unavailable("authorities_unavailable", "The authorities of the client certificate's trust domain cannot be had, or are too old to be used.")
		}
	}
	return anchors, nil
}

// issuersFor returns the registered issuers that may have issued a certificate, ordered
// by id.
func (v *Verifier) issuersFor(ctx context.Context, directory authz.Directory, of *peer) ([]*authz.Issuer, *authz.Fault) {
	if of.domain == "" {
		issuers, err := directory.IssuersOf(authz.IssuerX509)
		if err != nil {
			return nil, v.lookupFault(ctx, causeIssuerLookup, err)
		}
		return issuers, nil
	}
	issuer, fault := v.issuerByURL(ctx, directory, of.domain)
	if fault != nil || issuer == nil || !of.mayBeOf(issuer) {
		return nil, fault
	}
	return []*authz.Issuer{issuer}, nil
}

// cachedPeer is the cache entry of a verified client certificate. Its key is the
// SHA-256 of the whole chain. It holds for the same authorities only, and while the
// path to them is valid. Credentials are not part of it.
type cachedPeer struct {
	peer    *peer
	anchors [sha256.Size]byte // hashTrustAnchors
}

// validFor returns the verified certificate, if it holds for the present authorities.
func (k *cachedPeer) validFor(anchors []trustAnchor, now time.Time) (verifiedCertificate, bool) {
	at := k.peer.nearestValidTime(now)
	if at.Before(k.peer.from) || at.After(k.peer.until) || k.anchors != hashTrustAnchors(anchors) {
		return verifiedCertificate{}, false
	}
	return k.peer.issuedBy(anchors), true
}

// issuedBy returns a verified certificate with its issuer, which is one of anchors.
func (p *peer) issuedBy(anchors []trustAnchor) verifiedCertificate {
	at := slices.IndexFunc(anchors, func(t trustAnchor) bool { return t.issuer.ID == p.issuer })
	return verifiedCertificate{trustAnchor: anchors[at], peer: p}
}

func (v *Verifier) lookupPeer(hash [sha256.Size]byte) (*cachedPeer, bool) {
	if v.verifiedPeers == nil {
		return nil, false
	}
	return v.verifiedPeers.Get(hash)
}

func (v *Verifier) cachePeer(hash [sha256.Size]byte, p *peer, anchors []trustAnchor) {
	if v.verifiedPeers != nil {
		v.verifiedPeers.Add(hash, &cachedPeer{peer: p, anchors: hashTrustAnchors(anchors)})
	}
}

// hashChain returns the cache key of a chain.
func hashChain(ders [][]byte) [sha256.Size]byte {
	hash := sha256.New()
	for _, der := range ders {
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(der))))
		hash.Write(der)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// hashTrustAnchors returns a hash that changes with any authority of the issuers.
func hashTrustAnchors(anchors []trustAnchor) [sha256.Size]byte {
	var text []byte
	for _, t := range anchors {
		text = binary.BigEndian.AppendUint32(text, uint32(len(t.keys.issuer)))
		text = append(text, t.keys.issuer...)
		text = binary.BigEndian.AppendUint64(text, t.keys.revision)
		text = binary.BigEndian.AppendUint64(text, t.keys.document)
	}
	return sha256.Sum256(text)
}
