package bundles

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// RefusedBuiltin is a built-in function of Rego that no policy may call, not
// even under a with that replaces it.
type RefusedBuiltin struct {
	Name   string
	Reason string // continues "it "
	Fix    string
}

const (
	factsFix  = "send the value in the question's context, or keep it as an entity or as bundle data"
	tokenFix  = "judge input.token and input.trust, which hold what the verified token said"
	schemaFix = "check the members you need in Rego"
)

// Refused lists the built-in functions that are refused, and why. What remains
// is a function of its arguments alone. Two that may look as if they should be
// here are allowed: time.now_ns returns the time of the question, not of the
// machine; print is compiled away outside tests.
func Refused() []RefusedBuiltin {
	return []RefusedBuiltin{
		{"http.send", "asks the network during a decision", factsFix},
		{"net.lookup_ip_addr", "asks the network during a decision", "compare addresses with net.cidr_contains"},
		{"opa.runtime", "reads the environment and configuration of the process", "put settings in bundle data"},
		{"rand.intn", "is random, so that a decision could not be repeated", "derive a value from the question, for instance with crypto.sha256"},
		{"uuid.rfc4122", "is random, so that a decision could not be repeated", "use an id that is in the question"},
		{"providers.aws.sign_req", "signs requests with secret keys; a decision sends none", factsFix},
		{"crypto.x509.parse_and_verify_certificates", "compares with the clock of the machine", "send what the connection proved in the question's context"},
		{"crypto.x509.parse_and_verify_certificates_with_options", "compares with the clock of the machine unless told otherwise", "send what the connection proved in the question's context"},
		{"json.match_schema", "follows $ref in schemas to files and addresses", schemaFix},
		{"json.verify_schema", "follows $ref in schemas to files and addresses", schemaFix},
		{"io.jwt.decode", "reads claims that nobody verified", tokenFix},
		{"io.jwt.decode_verify", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_rs256", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_rs384", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_rs512", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_ps256", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_ps384", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_ps512", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_es256", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_es384", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_es512", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_eddsa", "would be a second judge of tokens, with its own keys and algorithms", tokenFix},
		{"io.jwt.verify_hs256", "needs a shared secret in the policy set", tokenFix},
		{"io.jwt.verify_hs384", "needs a shared secret in the policy set", tokenFix},
		{"io.jwt.verify_hs512", "needs a shared secret in the policy set", tokenFix},
		{"io.jwt.encode_sign", "signs with a private key, and not the same way twice", "issue tokens outside the policy"},
		{"io.jwt.encode_sign_raw", "signs with a private key, and not the same way twice", "issue tokens outside the policy"},
	}
}

// refused is Refused by name.
func refused() map[string]RefusedBuiltin {
	byName := make(map[string]RefusedBuiltin, len(Refused()))
	for _, b := range Refused() {
		byName[b.Name] = b
	}
	return byName
}

// Capabilities is what policies may use: everything this version of OPA has but
// the refused built-ins, and no address to fetch a schema from.
func Capabilities() *ast.Capabilities {
	byName := refused()
	c := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV1))
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		_, no := byName[b.Name]
		return no
	})
	c.AllowNet = []string{}
	return c
}

// refusedCalls finds every use of a refused built-in: calls, and with modifiers
// that replace one or put one in another's place.
func refusedCalls(m *ast.Module) Problems {
	byName := refused()
	var problems Problems
	refuse := func(t *ast.Term) {
		ref, ok := t.Value.(ast.Ref)
		if !ok {
			return
		}
		if b, no := byName[ref.String()]; no {
			problems = append(problems, at(t.Location, b.Name+" is refused: it "+b.Reason, b.Fix))
		}
	}
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if x.IsCall() {
				refuse(x.OperatorTerm())
			}
		case ast.Call:
			refuse(x[0])
		case *ast.With:
			refuse(x.Target)
			refuse(x.Value)
		}
		return false
	}).Walk(m)
	return problems
}
