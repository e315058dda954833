package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
)

func newRotate(c *cli) *cobra.Command {
	r := &rotate{cli: c}
	cmd := &cobra.Command{
		Use:   "rotate SET",
		Short: "Rotate the credentials of a rotation set and watch until it is done",
		Long: `Rotate the credentials of machine users that belong together, without downtime. A
rotation starts if none runs: every member gets a new generation, whose secrets are
shown once or written to --secrets-dir. The server takes each step as soon as there is
evidence for it, whether or not anybody watches; this command prints how it moves on:

  prepare    the new generations are made; the old ones stay as they are
  propagate  waits until every member has proved its new one
  switch     the new ones are preferred, the old ones retiring
  drain      waits until the old ones have been unused for the set's quiet time
  retire     the old ones are not accepted any more

A member is red while it has not proved its new generation, amber while its old one
may still be in use, green when it is ready. An interrupt stops the watching and
not the rotation; the same command watches it again. It exits with 0 when the
rotation is done, and with 9 when it is not: no longer watched, or aborted.

--once does not watch. Alone it prints how far the rotation is and changes nothing;
with --secrets-dir or --material it starts one first, with --advance or --force it takes
the next step first. --abort and --emergency never watch.

--no-advance is for whoever takes each step by hand. Alone it only watches, and starts
nothing; with --secrets-dir or --material it starts a rotation that stays in each step
until --advance takes the next one, on evidence as the server would. A rotation that was
started by a version in which only this command took steps is such a one too.

A set of public keys or certificates needs --material: a JSON object with one
member a machine user, {"mu:a": {"keys": {...}}} or {"mu:a": {"issuer": "...", "names":
["..."]}}, each with not_after if wanted.

With --output json each change is one JSON object a line: the rotation as the server
answers it, the first time, when it was started, inside an object with the secrets.`,
		Example: `  verdict rotate billing --secrets-dir /run/new-secrets
  verdict rotate billing --secrets-dir /run/new-secrets --yes --once
  verdict rotate billing --once
  verdict rotate billing --secrets-dir /run/new-secrets --no-advance
  verdict rotate billing --advance --once
  verdict rotate billing --emergency --yes`,
		Args: takes(1, 1),
	}
	r.flags(cmd)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := authz.ValidateID("SET", args[0]); err != nil {
			return usage(err.Error(), fixOfSets)
		}
		if r.interval <= 0 {
			return usage("--interval is "+r.interval.String(), "Write a duration such as 2s.")
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		r.set = rotationSet{pdp: pdp, id: args[0]}
		return r.run(cmd.Context())
	}
	return cmd
}

const fixOfSets = "`verdict entity list rotation_sets` shows the sets."

// rotate is what to do to a rotation set.
type rotate struct {
	*cli
	set        rotationSet
	once       bool
	advance    bool
	force      bool
	abort      bool
	emergency  bool
	noAdvance  bool
	yes        bool
	secretsDir string
	material   string
	interval   time.Duration
}

func (r *rotate) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&r.once, "once", false, "do not watch: print how far it is and exit; starts nothing without --secrets-dir or --material, takes no step without --advance or --force")
	f.BoolVar(&r.advance, "advance", false, "take the next step if there is evidence for it, then watch or, with --once, exit")
	f.BoolVar(&r.force, "force", false, "take the next step without evidence, then watch or, with --once, exit")
	f.BoolVar(&r.abort, "abort", false, "go back to the old generations, and exit")
	f.BoolVar(&r.emergency, "emergency", false, "revoke the old generations now, say who breaks, and exit")
	f.BoolVar(&r.noAdvance, "no-advance", false, "start it so that the server takes no step by itself; alone only watch, and start nothing")
	f.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	f.StringVar(&r.secretsDir, "secrets-dir", "", "folder to write the new secrets to, a file a member, instead of printing them")
	f.StringVar(&r.material, "material", "", "JSON file with the new keys or names of each member, - for standard input")
	f.DurationVar(&r.interval, "interval", 2*time.Second, "how often to look")
	cmd.MarkFlagsMutuallyExclusive("once", "abort", "emergency")
	cmd.MarkFlagsMutuallyExclusive("advance", "force", "no-advance", "abort", "emergency")
	for _, starting := range []string{"secrets-dir", "material"} {
		for _, other := range []string{"advance", "abort", "force"} {
			cmd.MarkFlagsMutuallyExclusive(starting, other)
		}
	}
}

func (r *rotate) run(ctx context.Context) error {
	now, err := r.set.status(ctx)
	if err != nil {
		return err
	}
	switch {
	case r.abort:
		return r.goBack(ctx)
	case r.emergency:
		return r.endNow(ctx, now)
	case r.advance:
		return r.takeStep(ctx, now, authz.RotationAdvance)
	case r.force:
		if err := r.confirm(ctx, r.yes, forceQuestion(now)); err != nil {
			return err
		}
		return r.takeStep(ctx, now, authz.RotationForce)
	case now.running():
		if err := r.nothingToStart(now); err != nil {
			return err
		}
	case !r.lookOnly():
		return r.begin(ctx, now)
	}
	if r.once || !now.running() {
		return r.look(now)
	}
	return r.watch(ctx)
}

// lookOnly reports whether nothing is to be started: with --once or --no-advance only
// what a start alone has a use for asks for one.
func (r *rotate) lookOnly() bool {
	return (r.noAdvance || r.once) && r.secretsDir == "" && r.material == ""
}

// begin starts a rotation and then watches, or with --once looks.
func (r *rotate) begin(ctx context.Context, now rotation) error {
	if err := r.confirm(ctx, r.yes, startQuestion(now)); err != nil {
		return err
	}
	begun, err := r.start(ctx, now)
	switch {
	case err != nil:
		return err
	case !r.once:
		return r.watch(ctx)
	case r.output == formatJSON: // what was printed holds the rotation
		return silent(exitNotRotated)
	}
	return r.look(begun)
}

// look prints how far the rotation is. A set that was never rotated is well.
func (r *rotate) look(now rotation) error {
	if err := r.newStepper().show(now); err != nil {
		return err
	}
	if now.running() || now.Phase == authz.PhaseAborted {
		return silent(exitNotRotated)
	}
	return nil
}

func (r *rotate) goBack(ctx context.Context) error {
	now, err := r.set.step(ctx, authz.RotationAbort, "")
	if err != nil {
		return err
	}
	return r.newStepper().show(now)
}

// takeStep takes the next step from the phase that was looked at, however the rotation
// has moved on meanwhile, and then watches, or with --once looks.
func (r *rotate) takeStep(ctx context.Context, now rotation, action string) error {
	phase := ""
	if now.running() {
		phase = now.Phase
	}
	after, err := r.set.step(ctx, action, phase)
	if err != nil {
		return err
	}
	if r.once {
		return r.look(after)
	}
	return r.watch(ctx)
}

// endNow revokes the old generations. When no rotation runs one is started first:
// members need something to move to.
func (r *rotate) endNow(ctx context.Context, now rotation) error {
	if now.running() {
		if err := r.nothingToStart(now); err != nil {
			return err
		}
	}
	if err := r.confirm(ctx, r.yes, emergencyQuestion(now)); err != nil {
		return err
	}
	if !now.running() {
		if _, err := r.start(ctx, now); err != nil {
			return err
		}
	}
	after, err := r.set.step(ctx, authz.RotationEmergency, "")
	if err != nil {
		return err
	}
	return r.newStepper().show(after)
}

// nothingToStart refuses what only a start has a use for.
func (r *rotate) nothingToStart(now rotation) error {
	for _, given := range []struct{ flag, value string }{{"--secrets-dir", r.secretsDir}, {"--material", r.material}} {
		if given.value != "" {
			return &failure{status: exitConflict, code: authz.CodeConflict,
				message: fmt.Sprintf("a rotation of %s runs already, in phase %s; %s is for one that starts", now.ID, now.Phase, given.flag),
				fix:     fmt.Sprintf("Leave %s out to go on with it; or go back with --abort and start again. Secrets are told at the start alone.", given.flag)}
		}
	}
	return nil
}
