package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/client"
)

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

// checkBundleName refuses what cannot name a bundle, before anything is sent.
func checkBundleName(name string) error {
	if err := authz.ValidateBundleName("name", name); err != nil {
		return usage("\""+name+"\" cannot name a bundle: a "+err.Error(), "Write a name such as acme; --name gives one to what is pushed.")
	}
	return nil
}

// messageFlag adds the flag for why something is done.
func messageFlag(cmd *cobra.Command, message *string) {
	cmd.Flags().StringVarP(message, "message", "m", "", "why, for those who read the history")
	complete(cmd, "message")
}

func newBundlePush(c *cli) *cobra.Command {
	var name, message string
	var activate bool
	cmd := &cobra.Command{
		Use:   "push DIR|FILE",
		Short: "Put a bundle through the gate: a new candidate",
		Long: `Put a bundle through the gate of the server: a policy folder, or a file made by
` + "`verdict bundle build` or `opa build`" + `, or with - standard input. What passes is a
candidate generation: the active one with this bundle added, or in place of the one of
its name. What it would change is told by a replay of recorded decisions. A push that
fails changes nothing.`,
		Example: `  verdict bundle push ./acme -m "invoices from the EU only"
  verdict bundle push acme.tar.gz --name acme --activate`,
		Args: takes(1, 1),
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "name of the bundle (default: that of the folder or file)")
	f.BoolVar(&activate, "activate", false, "decide with it at once when it passes")
	messageFlag(cmd, &message)
	complete(cmd, "name")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		bundle, err := c.openBundle(args[0], name)
		if err != nil {
			return err
		}
		defer bundle.Close()
		there := false
		push := func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
			g, created, err := pdp.PutBundle(ctx, bundle.name, bundle, client.BundleChange{Message: message, Activate: activate})
			there = !created
			return g, err
		}
		return callAndPrint(c, cmd, to, withSpinner(c, "pushing "+bundle.name+", the gate runs", push), func(err error) error {
			return refusedBundle(args[0], "Change what is named above and push again: nothing was changed, and the active generation decides on.", err)
		}, func(w io.Writer, g authz.Generation) error {
			r := &report{w: w}
			r.line("%s: generation %d, %s", bundle.name, g.Number, stateText(g, there))
			r.generationOutcome(g)
			return r.err
		})
	}
	return cmd
}

// stateText says how a generation stands; there says that it was so before the call.
func stateText(g authz.Generation, there bool) string {
	text := map[string]string{ // :: state -> what people say
		authz.GenerationCandidate: "a candidate",
		authz.GenerationActive:    "active",
		authz.GenerationKept:      "kept",
	}[g.State]
	if text == "" {
		text = g.State
	}
	if there {
		text += ", which has the same content already"
	}
	return text
}

// generationOutcome prints what the gate found, and what can be done next.
func (r *report) generationOutcome(g authz.Generation) {
	if g.Gate != nil {
		r.gate(g.Gate)
	}
	if g.State == authz.GenerationActive {
		r.nextOfActive(g.Number)
		return
	}
	r.nextOfCandidate(g.Number)
}

func newBundleRemove(c *cli) *cobra.Command {
	var message string
	var activate bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Make a candidate without a bundle",
		Long: `Make a candidate generation: the active one without this bundle. It goes through the
gate like a push, and is decided with once it is activated.`,
		Example:           `  verdict bundle remove acme -m "contract ended"`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&activate, "activate", false, "decide with it at once when it passes")
	messageFlag(cmd, &message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkBundleName(args[0]); err != nil {
			return err
		}
		remove := func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
			return pdp.DeleteBundle(ctx, args[0], client.BundleChange{Message: message, Activate: activate})
		}
		return callAndPrint(c, cmd, to, withSpinner(c, "removing "+args[0]+", the gate runs", remove), func(err error) error {
			return fixes{
				authz.CodeInvalid: "Nothing was changed. What is named above does not load without " + args[0] + ": change or remove that first.",
			}.of(aboutPolicies(err))
		}, func(w io.Writer, g authz.Generation) error {
			r := &report{w: w}
			r.line("without %s: generation %d, %s", args[0], g.Number, stateText(g, false))
			r.generationOutcome(g)
			return r.err
		})
	}
	return cmd
}

func newBundleActivate(c *cli) *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use:               "activate GENERATION",
		Short:             "Decide with a generation from now on",
		Long:              `Decide with a generation from the next request on. Requests in flight are answered by the one they began with.`,
		Example:           `  verdict bundle activate 7 -m "as reviewed"`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	messageFlag(cmd, &message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := parseGeneration(args[0])
		if err != nil {
			return err
		}
		return c.activated(cmd, to, func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
			return pdp.ActivateGeneration(ctx, n, api.ActivateRequest{Message: message})
		})
	}
	return cmd
}

// activated makes a generation the active one, and says which.
func (c *cli) activated(cmd *cobra.Command, to *connection, call func(context.Context, *client.Client) (authz.Generation, error)) error {
	return callAndPrint(c, cmd, to, withSpinner(c, "activating", call), aboutPolicies, func(w io.Writer, g authz.Generation) error {
		r := &report{w: w}
		r.line("generation %d decides from now on (%s)", g.Number, shortDigest(g.Digest))
		r.nextOfActive(g.Number)
		return r.err
	})
}

func newBundleRollback(c *cli) *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use:   "rollback [GENERATION]",
		Short: "Go back to an earlier generation, at once",
		Long: `Go back to an earlier generation, from the next request on: the one that was active
before, or the one named. Any that is kept can be gone back to.`,
		Example: `  verdict bundle rollback -m "denies invoices"
  verdict bundle rollback 5`,
		Args:              takes(0, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	messageFlag(cmd, &message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := api.RollbackRequest{Message: message}
		if len(args) == 1 {
			n, err := parseGeneration(args[0])
			if err != nil {
				return err
			}
			request.To = n
		}
		return c.activated(cmd, to, func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
			return pdp.Rollback(ctx, request)
		})
	}
	return cmd
}

// bundleSource is a bundle to send: packed from a folder, or a file as it is.
type bundleSource struct {
	io.ReadCloser
	name string
}

// openBundle opens the bundle at path, a folder or a tar.gz, or standard input for
// "-". A folder is read whole first, so that what the server would refuse about its
// files is said before anything is sent.
func (c *cli) openBundle(path, name string) (*bundleSource, error) {
	if name == "" {
		if name = bundleNameOf(path); name == "" {
			return nil, usage("a bundle from standard input has no name", "Name it with --name.")
		}
	}
	if err := checkBundleName(name); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if path != "-" && err != nil {
		return nil, usage("opening "+inputName(path)+": "+reason(err), "Name a policy folder, or a bundle made by `verdict bundle build` or `opa build`.")
	}
	if path == "-" || !info.IsDir() {
		file, _, err := c.openInput(path)
		return &bundleSource{ReadCloser: file, name: name}, err
	}
	packed, err := packFolder(path)
	if err != nil {
		return nil, err
	}
	return &bundleSource{ReadCloser: io.NopCloser(bytes.NewReader(packed)), name: name}, nil
}

// bundleNameOf is the name of a folder, or of a file without .tar.gz; "" for
// standard input.
func bundleNameOf(path string) string {
	if path == "-" {
		return ""
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	name := filepath.Base(path)
	for _, ending := range []string{".tar.gz", ".tgz"} {
		if short, ok := strings.CutSuffix(name, ending); ok {
			return short
		}
	}
	return name
}

func packFolder(path string) ([]byte, error) {
	p, err := bundles.ReadFolder(os.DirFS(path), bundles.Limits{})
	if err != nil {
		return nil, notLoaded(path, os.DirFS(path), err)
	}
	return p.Packed, nil
}

// refusedBundle is the err of a call that sent the bundle at path, with the lines at
// fault where that is a folder, and what to do when its content is refused.
func refusedBundle(path, fix string, err error) error {
	f := *failureOf(aboutPolicies(err))
	if path != "-" {
		f.frames = framesOf(os.DirFS(path), problemsOf(err))
	}
	if f.code == authz.CodeInvalid && f.fix == "" {
		f.fix = fix
	}
	return &f
}
