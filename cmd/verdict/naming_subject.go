package main

import "github.com/verdict-pdp/verdict/authz"

func nameSubject() naming {
	n := nameByID(authz.BySubject, "MACHINE_USER", "every token of a machine user")
	n.long = "With --issued-before now the machine user goes on with tokens it gets from now on."
	n.example = "subject mu:billing-svc --issued-before now --reason 'host was lost'"
	return n
}
