// Package daemon puts the rooms together into one running Verdict: it opens the
// store, loads the policies, builds the pipeline and the surfaces, and runs
// them until its context ends. `verdict serve` starts it, and so do the tests,
// with other settings.
//
// What it leaves in the data directory:
//
//	store/                 Badger: everything at rest
//	decisions/             Badger: the decision log
//	policies/              bundles and generations of policies
//	jwks/                  last good copies of issuers' key sets
//	keys/operator.key      an API key with every role (mode 0600)
//	keys/pep.key           an API key that may ask for decisions (mode 0600)
//	demo/issuer.key        with Demo: the private key of the demo issuer (mode 0600)
package daemon
