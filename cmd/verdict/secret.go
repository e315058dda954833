package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

func newSecret(c *cli) *cobra.Command {
	return group("secret", "Make the shared secrets of machine users", newSecretCreate(c))
}

func newSecretCreate(c *cli) *cobra.Command {
	var request api.SecretRequest
	var notAfter end
	var out string
	cmd := &cobra.Command{
		Use:   "create MACHINE_USER",
		Short: "Make a new shared secret of a machine user",
		Long: `Make a new generation of a machine user's shared secret and print it. The server
keeps only its hash, so this is the one time it is shown. With --out it goes to a
file that only its user can read, and is not printed.

The generation before it stays valid. A machine user has two at most: when it has,
the command exits with 5. Machine users that rotate together have ` + "`verdict rotate`" + `.`,
		Example: `  verdict secret create mu:billing-svc --out billing.secret
  verdict secret create mu:billing-svc --for 2160h |
    verdict decide --client-id mu:billing-svc --client-secret - \
      --action email.send --resource svc:email`,
		Args: takes(1, 1),
	}
	f := cmd.Flags()
	f.StringVar(&request.ID, "id", "", "id of the new credential; without it one is derived")
	f.StringVar(&notAfter.at, "not-after", "", "when it expires, RFC 3339; without it the age its tier allows decides")
	f.DurationVar(&notAfter.in, "for", 0, "how long it is good, such as 2160h")
	f.StringVar(&out, "out", "", "new file to write the secret to")
	cmd.MarkFlagsMutuallyExclusive("not-after", "for")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		notAfter.set = f.Changed("for")
		if request.NotAfter, err = notAfter.moment(c, "--not-after", "--for"); err != nil {
			return err
		}
		if err := authz.ValidateID("MACHINE_USER", args[0]); err != nil {
			return usage(err.Error(), "Name a machine user, such as mu:billing-svc.")
		}
		request.MachineUser = args[0]
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		create := func(ctx context.Context) (api.NewSecret[authz.Credential], error) {
			made, err := pdp.CreateSecret(ctx, request)
			return made, noSecret(err)
		}
		if out != "" {
			return c.createAndSaveSecret(cmd.Context(), create, out)
		}
		made, raw, err := withAnswer(cmd.Context(), create)
		if err != nil {
			return err
		}
		return c.print(raw, func(w io.Writer) error {
			if err := say(w, "%s", made.Secret); err != nil {
				return err
			}
			return c.note("%s; this is the only time it is shown", secretText(&made.Credential))
		})
	}
	return cmd
}

func secretText(of *authz.Credential) string {
	return fmt.Sprintf("secret %s: generation %d of %s%s", of.ID, of.Generation, of.MachineUser, untilText(of.NotAfter))
}

// noSecret names what to do in the words of secrets, not of entities; nil for nil.
func noSecret(err error) error {
	return fixes{
		authz.CodeNotFound: "`verdict entity list machine_users` shows the machine users.",
		authz.CodeConflict: "`verdict credential list --machine-user ID` shows what it has; `verdict revoke credential ID` ends what it no longer uses.",
	}.of(err)
}

// createAndSaveSecret makes room for the secret before asking for it, so that none
// is made that cannot be kept.
func (c *cli) createAndSaveSecret(ctx context.Context, create func(context.Context) (api.NewSecret[authz.Credential], error), path string) error {
	file, err := createOut(path, false)
	if err != nil {
		return secretFileExists(err)
	}
	made, raw, err := withAnswer(ctx, create)
	if err != nil {
		return file.abort(err)
	}
	if err := file.finish(made.Secret + "\n"); err != nil {
		return &failure{status: exitError, code: authz.CodeInternal, message: "secret " + made.Credential.ID + " was made but could not be saved: " + err.Error(),
			fix: "Revoke it with `verdict revoke credential " + made.Credential.ID + "` and make another.", cause: err}
	}
	document, err := without(raw, "secret")
	if err != nil {
		return err
	}
	return c.print(document, func(w io.Writer) error {
		return say(w, "%s; it is in %s", secretText(&made.Credential), path)
	})
}

// secretFileExists says what to do about a file that is in the way: it may hold
// the only copy of a secret, so there is no --force.
func secretFileExists(err error) error {
	f := failureOf(err)
	if f.status == exitConflict {
		f.fix = "Name another file, or move that one away: it may hold a secret that is still used."
	}
	return f
}

// secretFiles are the files that new secrets are saved in, one a machine user and
// named after it, readable by their user only.
type secretFiles struct {
	dir   string
	files map[string]*outFile // :: machine user -> its file, not committed
}

// newSecretFiles makes room for the secrets of machine users in dir, which is made
// when it is not there. It refuses to replace a file.
func newSecretFiles(dir string, of []string) (*secretFiles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, usage("creating "+inputName(dir)+": "+reason(err), "Name a folder that is yours to write to.")
	}
	s := &secretFiles{dir: dir, files: map[string]*outFile{}}
	for _, machineUser := range of {
		if err := s.add(machineUser); err != nil {
			return nil, s.abort(secretFileExists(err))
		}
	}
	return s, nil
}

func (s *secretFiles) add(machineUser string) error {
	// An id is no path: it starts with a letter or a digit and has no slash.
	if err := authz.ValidateID("machine_user", machineUser); err != nil {
		return unreadable(err)
	}
	file, err := createOut(filepath.Join(s.dir, machineUser), false)
	if err == nil {
		s.files[machineUser] = file
	}
	return err
}

// save writes the secrets and returns the path of each. Files that no secret came
// for are removed. Of several that cannot be written the others still are.
func (s *secretFiles) save(secrets map[string]string) (map[string]string, error) {
	paths := map[string]string{} // :: machine user -> path
	var failed error
	for _, machineUser := range slices.Sorted(maps.Keys(secrets)) {
		if s.files[machineUser] == nil { // it joined the set in between
			if err := s.add(machineUser); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		file := s.files[machineUser]
		delete(s.files, machineUser)
		if err := file.finish(secrets[machineUser] + "\n"); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		paths[machineUser] = file.path
	}
	return paths, s.abort(failed)
}

// abort removes the files that were not committed, and returns err with whatever
// went wrong doing so.
func (s *secretFiles) abort(err error) error {
	for _, file := range s.files {
		err = file.abort(err)
	}
	s.files = nil
	return err
}
