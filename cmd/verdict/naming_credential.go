package main

import "github.com/verdict-pdp/verdict/authz"

func nameCredential() naming {
	n := nameByID(authz.ByCredential, "ID", "a credential and every token got with it")
	n.long = "`verdict credential list` shows the ids. A credential revoked without a time limit\nis never accepted again."
	n.example = "credential mu:billing-svc.secret.3"
	return n
}
