package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
	"github.com/verdict-pdp/verdict/token"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"verdict": verdict.Main})
}

// TestScripts runs the scripts of testdata, which read as documentation of the
// commands. Each talks to a server of its own that answers what the script says
// with `answer` and `cut`, and keeps the last request in the file "request".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"answer": answerCommand,
			"then":   thenCommand,
			"cut":    cutCommand,
			"exits":  exitsCommand,
			"judge":  judgeCommand,
			"tls":    tlsCommand,
			"taken":  takenCommand, "unprivileged": unprivilegedCommand, "certificates": certificatesCommand,
		},
	})
}

func setUp(env *testscript.Env) error {
	f := newFake(env.WorkDir)
	env.Defer(f.Close)
	env.Values[fakeKey{}] = f
	env.Setenv("VERDICT_SERVER", f.URL)
	env.Setenv("VERDICT_ADMIN_SERVER", f.URL)
	env.Setenv("VERDICT_KEY", "vk_test_secret")
	env.Setenv("SERVER", f.URL)
	return writeIssuerKey(filepath.Join(env.WorkDir, "demo-data", "demo"))
}

// writeIssuerKey makes the demo issuer's key, as serve --demo does.
func writeIssuerKey(dir string) error {
	signer, err := token.NewSigner("ES256")
	if err != nil {
		return err
	}
	key, err := signer.MarshalPrivate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "issuer.key"), key, 0o600)
}

// exitsCommand is `exits STATUS COMMAND ARG...`: run it, and hold it to STATUS.
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d\nstdout: %s\nstderr: %s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}
