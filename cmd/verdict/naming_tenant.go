package main

import "github.com/verdict-pdp/verdict/authz"

func nameTenant() naming {
	n := nameByID(authz.ByTenant, "ID", "every token of a tenant")
	n.example = "tenant acme-logistics --issued-before now"
	n.warning = "This stops every machine user of the tenant."
	return n
}
