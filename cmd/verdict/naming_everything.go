package main

import (
	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

func nameEverything() naming {
	return naming{
		use:     "everything",
		what:    "every token there is",
		example: "everything --issued-before now",
		aged:    true,
		warning: "This stops every machine user until it has got a new token.",
		name: func(*cli, []string) (api.Naming, error) {
			return api.Naming{By: authz.ByEverything, Of: authz.Everything}, nil
		},
	}
}
