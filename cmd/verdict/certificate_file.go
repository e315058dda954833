package main

import (
	"encoding/pem"
	"strings"
)

// readCertificates reads the certificates of a PEM file, the client's own first.
// It passes over everything else, such as a private key in the same file: that
// must not leave this machine.
func (c *cli) readCertificates(path string) ([]*pem.Block, error) {
	data, err := readInput(path, c.in)
	if err != nil {
		return nil, err
	}
	var chain []*pem.Block
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block)
		}
	}
	if len(chain) == 0 {
		return nil, notCertificate(path, nil)
	}
	return chain, nil
}

func notCertificate(path string, cause error) *failure {
	f := usage("there is no certificate in "+inputName(path), "A PEM file has lines -----BEGIN CERTIFICATE-----; `openssl x509 -inform der` makes one of DER.")
	f.cause = cause
	return f
}

// pemText writes certificates as PEM, without headers.
func pemText(chain []*pem.Block) string {
	var b strings.Builder
	for _, block := range chain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	return b.String()
}
