package main

import "github.com/verdict-pdp/verdict/authz"

func nameIssuer() naming {
	n := nameByID(authz.ByIssuer, "ID", "every token of an issuer")
	n.long = "`verdict issuer list` shows the ids."
	n.example = "issuer partner --issued-before 2026-11-22T09:30:00Z"
	n.warning = "This stops every machine user that the issuer speaks for."
	return n
}
