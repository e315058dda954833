package main

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// typeBundle is the media type of a bundle.
const typeBundle = "application/vnd.openpolicyagent.bundles"

func newBundle(c *cli) *cobra.Command {
	cmd := group("bundle", "Push, compare, activate and roll back policies",
		newBundlePush(c), newBundleList(c), newBundleGet(c), newBundleStatus(c), newBundleBuild(c), newBundleHistory(c),
		newBundleShow(c), newBundleActivate(c), newBundleRollback(c), newBundleDiff(c), newBundleRemove(c))
	cmd.Long = `Push, compare, activate and roll back policies.

The bundles of a server make one policy set: a generation. A push makes a new one, a
candidate, once it passed the gate: limits, signature, compile, its own tests, and a
replay of recorded decisions that says what it would change. Nothing is decided with
it before ` + "`verdict bundle activate`" + `; until then it can judge live traffic without
effect (` + "`verdict shadow start`" + `). A push that fails changes nothing.`
	return cmd
}

func bundlePath(name string) string { return api.PathBundles + "/" + url.PathEscape(name) }

// checkBundleName refuses what cannot name a bundle, before anything is sent.
func checkBundleName(name string) error {
	if err := authz.ValidateBundleName("name", name); err != nil {
		return usage("\""+name+"\" cannot name a bundle: a "+err.Error(), "Write a name such as acme; --name gives one to what is pushed.")
	}
	return nil
}

// because adds the flag for why something is done.
func because(cmd *cobra.Command, message *string) {
	cmd.Flags().StringVarP(message, "message", "m", "", "why, for those who read the history")
	complete(cmd, "message")
}
