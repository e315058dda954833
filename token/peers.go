package token

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
)

// knownPeer is what is remembered of a client certificate that was verified, under
// the SHA-256 of its whole chain. It holds among the very same authorities only, and
// while the path to them is valid; it says nothing about credentials.
type knownPeer struct {
	peer  *peer
	among [sha256.Size]byte // nameTrusts
}

// under says what a remembered certificate is among the authorities there are now.
func (k *knownPeer) under(trusts []trust, now time.Time) (vouched, bool) {
	at := k.peer.within(now)
	if at.Before(k.peer.from) || at.After(k.peer.until) || k.among != nameTrusts(trusts) {
		return vouched{}, false
	}
	return k.peer.by(trusts), true
}

// by joins a verified certificate with its issuer, which is among trusts.
func (p *peer) by(trusts []trust) vouched {
	at := slices.IndexFunc(trusts, func(t trust) bool { return t.issuer.ID == p.issuer })
	return vouched{trust: trusts[at], peer: p}
}

func (v *Verifier) recallPeer(name [sha256.Size]byte) (*knownPeer, bool) {
	if v.peers == nil {
		return nil, false
	}
	return v.peers.Get(name)
}

func (v *Verifier) rememberPeer(name [sha256.Size]byte, p *peer, trusts []trust) {
	if v.peers != nil {
		v.peers.Add(name, &knownPeer{peer: p, among: nameTrusts(trusts)})
	}
}

// nameChain names a chain by its bytes.
func nameChain(ders [][]byte) [sha256.Size]byte {
	hash := sha256.New()
	for _, der := range ders {
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(der))))
		hash.Write(der)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// nameTrusts names the authorities of issuers, in their order.
func nameTrusts(trusts []trust) [sha256.Size]byte {
	var text []byte
	for _, t := range trusts {
		text = binary.BigEndian.AppendUint32(text, uint32(len(t.set.issuer)))
		text = append(text, t.set.issuer...)
		text = binary.BigEndian.AppendUint64(text, t.set.revision)
		text = binary.BigEndian.AppendUint64(text, t.set.document)
	}
	return sha256.Sum256(text)
}
