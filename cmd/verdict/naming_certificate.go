package main

import (
	"crypto/x509"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

func nameCertificate() naming {
	var file, issuer, serial string
	return naming{
		use:  "certificate",
		what: "one client certificate",
		long: `The certificate is read from a PEM file, of which the first one counts, or named by
its issuer's distinguished name and its serial number in hex.`,
		example: `certificate --file client.pem
  verdict revoke certificate --issuer 'CN=Brightfold CA' --serial 5f:3a`,
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.StringVar(&file, "file", "", "PEM file with the certificate, - for standard input")
			f.StringVar(&issuer, "issuer", "", "distinguished name of its issuer")
			f.StringVar(&serial, "serial", "", "its serial number, hex")
			cmd.MarkFlagsMutuallyExclusive("file", "issuer")
			cmd.MarkFlagsMutuallyExclusive("file", "serial")
		},
		name: func(c *cli, _ []string) (api.Naming, error) {
			if file == "" {
				if issuer == "" || serial == "" {
					return api.Naming{}, usage("a certificate needs to be named", "Give its --file, or --issuer and --serial.")
				}
				return api.Naming{By: authz.ByCertificate, Issuer: issuer, Name: serial}, nil
			}
			leaf, err := c.readLeaf(file)
			if err != nil {
				return api.Naming{}, err
			}
			return api.Naming{By: authz.ByCertificate, Issuer: leaf.Issuer.String(), Name: leaf.SerialNumber.Text(16)}, nil
		},
	}
}

// readLeaf is the first certificate of a PEM file.
func (c *cli) readLeaf(path string) (*x509.Certificate, error) {
	chain, err := c.readCertificates(path)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain[0].Bytes)
	if err != nil {
		return nil, notCertificate(path, err)
	}
	return leaf, nil
}
